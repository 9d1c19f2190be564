// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What networks without streams need for requests: who waits for which answer.
///
/// A question and its answer are messages with a number. The desk numbers them, remembers who waits, holds sizes to
/// their bounds and calls the handlers; its owner carries the messages and watches the time. Questions do not expire
/// here, and an answer can be given although who asked has cancelled.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/transport/requests.hpp>

namespace muster::transport {

/// A question or its answer, under way.
struct request_message {
    enum class kind : std::uint8_t { question, answer, refusal };
    kind what = kind::question;
    std::uint64_t number = 0;  ///< The asker's.
    std::string protocol = {};
    bytes content = {};
    errc why = errc::refused;  ///< Of a refusal.
};

/// One peer's requests, of both directions. Not thread-safe. Where a function takes `post(peer, request_message)`, that
/// carries messages away; it must not come back in.
class request_desk {
public:
    void serve(std::string_view protocol, request_options const& o, question_handler handler) {
        served_[std::string{protocol}] = {o, std::move(handler)};
    }
    void unserve(std::string_view protocol) {
        if (auto const found = served_.find(protocol); found != served_.end()) served_.erase(found);
    }
    /// Expects a connected peer. @return `too_large`.
    template <class Post>
    [[nodiscard]] result<request_id> request(peer::peer_id const& who, std::string_view protocol, bytes question,
                                             request_options const& o, answer_handler handler, Post post) {
        if (question.size() > o.request_size_max) {
            return error{errc::too_large,
                         text("a request of ", question.size(), " bytes, at most ", o.request_size_max)};
        }
        request_id const id{++last_};
        waiting_[id] = {who, o, std::move(handler)};
        post(who,
             request_message{request_message::kind::question, id.value, std::string{protocol}, std::move(question)});
        return id;
    }
    void cancel(request_id id) { waiting_.erase(id); }
    /// @return `gone` or `too_large`.
    template <class Post>
    [[nodiscard]] result<void> answer(request_id id, bytes content, Post post) {
        auto const found = asked_.find(id);
        if (found == asked_.end()) return error{errc::gone, "nobody waits for this answer any more"};
        if (content.size() > found->second.answer_size_max) {
            return error{errc::too_large,
                         text("an answer of ", content.size(), " bytes, at most ", found->second.answer_size_max)};
        }
        post(found->second.peer,
             request_message{request_message::kind::answer, found->second.number, {}, std::move(content)});
        asked_.erase(found);
        return ok();
    }
    template <class Post>
    void refuse(request_id id, Post post) {
        auto const found = asked_.find(id);
        if (found == asked_.end()) return;
        post(found->second.peer, request_message{request_message::kind::refusal, found->second.number});
        asked_.erase(found);
    }

    /// A message has come. Calls handlers.
    template <class Post>
    void receive(peer::peer_id const& from, request_message m, Post post) {
        if (m.what == request_message::kind::question) return on_question(from, std::move(m), post);
        auto const found = waiting_.find(request_id{m.number});
        if (found == waiting_.end() || found->second.peer != from) return;
        if (m.what == request_message::kind::refusal) {
            return end(found->first, error{m.why, "the peer refused or does not speak the protocol"});
        }
        if (m.content.size() > found->second.options.answer_size_max) {
            return end(found->first, error{errc::too_large, text("an answer of ", m.content.size(), " bytes")});
        }
        end(found->first, std::move(m.content));
    }
    /// The time for a request of ours is over, if it still waits.
    void expire(request_id id) { end(id, error{errc::timed_out, "no answer in time"}); }
    /// The connection to @p who is gone.
    void lost(peer::peer_id const& who) {
        std::erase_if(asked_, [&](auto const& a) { return a.second.peer == who; });
        std::vector<request_id> ids;
        for (auto const& [id, w] : waiting_) {
            if (w.peer == who) ids.push_back(id);
        }
        for (auto const id : ids) end(id, error{errc::peer_failed, "the connection is gone"});
    }
    void clear() {
        served_.clear();
        waiting_.clear();
        asked_.clear();
    }

private:
    struct service {
        request_options options;
        question_handler handler;
    };
    struct pending {
        peer::peer_id peer;
        request_options options;
        answer_handler handler;
    };
    struct inquiry {
        peer::peer_id peer;
        std::uint64_t number;
        std::size_t answer_size_max;
    };

    template <class Post>
    void on_question(peer::peer_id const& from, request_message m, Post post) {
        auto const found = served_.find(m.protocol);
        bool const fits = found != served_.end() && m.content.size() <= found->second.options.request_size_max;
        if (!fits) {
            auto const why = found == served_.end() ? errc::not_spoken : errc::refused;
            return post(from, request_message{request_message::kind::refusal, m.number, {}, {}, why});
        }
        request_id const id{++last_};
        asked_[id] = {from, m.number, found->second.options.answer_size_max};
        auto const handler = found->second.handler;  // it may be taken away meanwhile
        handler(asked{id, from, std::move(m.protocol), std::move(m.content)});
    }
    void end(request_id id, result<bytes> const& outcome) {
        auto const found = waiting_.find(id);
        if (found == waiting_.end()) return;
        auto const handler = std::move(found->second.handler);
        waiting_.erase(found);
        handler(id, outcome);
    }

    std::map<std::string, service, std::less<>> served_;
    std::map<request_id, pending> waiting_;  // for answers
    std::map<request_id, inquiry> asked_;    // and not answered
    std::uint64_t last_ = 0;
};

}  // namespace muster::transport
