// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signers are asked for, and say that they would sign: a @ref notice_exchange of requests, and the answers to them.
///
/// Idea: a request is heard by everybody; an answer goes to who has asked, by a direct request. It names the signer
/// that would sign and shows its word that the machine speaks for it, so nobody answers in another's name. An answer
/// obliges nobody: the session is proposed afterwards, and approved there.
///
/// `/muster/answer/1.0.0`: the question is the key of who asked (33 bytes), the digest (32), the key of who answers
/// (33) and its binding (64); the answer is one byte, 1.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/reach.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/discovery/request_advertisement.hpp>
#include <muster/node/notice_exchange.hpp>
#include <muster/node/own_addresses.hpp>

namespace muster::node {

/// Bounds of @ref signing_requests.
struct signing_requests_options : notice_exchange_options {
    signing_requests_options() {
        lifetime = std::chrono::minutes{10};  // as lotus-sdk has it
        agenda.renew_interval = std::chrono::minutes{7};
    }
    std::size_t answers_max = 64;     ///< Taken for one request that names nobody. Ours.
    std::size_t per_machine_max = 4;  ///< Of these by one machine. Ours.
    bool takes_private = false;       ///< As signer_discovery_options::takes_private.
};

/// A request as it is known here.
using request_listing = discovery::notice_listing<discovery::request_advertisement>;
/// Requests that are known here.
using request_board = discovery::notice_board<request_listing>;

/// Somebody asks for signatures, or does so no more.
using request_event = request_board::event;
/// A signer would sign what we have asked for.
struct request_answered {
    crypto::digest32 digest;
    crypto::public_key signer;  ///< Who would; its own word.
    peer::peer_id machine;      ///< Which speaks for it.
    MUSTER_FIELDS(request_answered, digest, signer, machine);
};

/// Requests for signatures at work. Lifetimes and threads as of @ref notice_exchange.
///
/// @tparam Network  a managed_network that models transport::requests.
/// @tparam Pubsub   a node::pubsub over it, whose messages are signed.
template <class Network, class Pubsub, timers Timers, clock Clock>
requires transport::requests<Network>
class signing_requests {
public:
    static constexpr std::string_view topic = "/muster/requests/1";         ///< Where requests are published.
    static constexpr std::string_view protocol = "/muster/requests/1.0.0";  ///< By which peers are asked for them.
    static constexpr std::string_view answering = "/muster/answer/1.0.0";   ///< By which they are answered.
    using exchange_type = notice_exchange<Network, Pubsub, request_board, Timers, Clock>;
    using handler = std::function<void(request_event const&)>;
    using answer_handler = std::function<void(request_answered const&)>;
    /// Takes whether an answer has arrived.
    using outcome_handler = std::function<void(result<void> const&)>;

    /// What it is made of.
    struct parts {
        Network& network;
        Pubsub* gossip;  ///< Null: nothing is published, and requests are known only from peers that are asked.
        request_board& board;
        Timers& timers;
        Clock const& time;
        peer::node_key const& host;    ///< Of the network.
        crypto::public_key signer;     ///< The own one.
        peer::binding binding;         ///< Its word that the host speaks for it.
        own_addresses addresses = {};  ///< Where the host is reached.
        handler takes = {};
        answer_handler answered = {};
        signing_requests_options options = {};
        std::uint64_t seed = system_seed();
    };

    explicit signing_requests(parts p) : p_{std::move(p)}, exchange_{parts_of_exchange(), p_.options, p_.seed} {}
    signing_requests(signing_requests const&) = delete;
    signing_requests& operator=(signing_requests const&) = delete;
    ~signing_requests() { close(); }

    /// Begins: subscribes, serves, and takes answers. @return what notice_exchange::start returns.
    [[nodiscard]] result<void> start() {
        MUSTER_TRY(exchange_.start());
        transport::request_options o;
        o.request_size_max = question_size;
        p_.network.serve(answering, o, [this](transport::asked const& q) { on_answer(q); });
        return ok();
    }
    /// Asks for signatures of @p r, whose digest, signers, type, amount and purpose count, for as long as @p valid_for.
    /// What was asked for under the same digest is asked for anew, without the answers so far.
    /// @return `expired` where that is no time; what notice_exchange::say returns; then nothing is asked.
    [[nodiscard]] result<void> ask(discovery::request_advertisement r, std::chrono::milliseconds valid_for) {
        std::sort(r.wanted.begin(), r.wanted.end());
        if (valid_for <= std::chrono::milliseconds{0}) {
            return error{peer::errc::expired, text("a request that is valid for ", valid_for.count(), " ms")};
        }
        r.signer = p_.signer;
        r.machine = p_.host.id();
        r.binding = p_.binding;
        r.issued = p_.time.wall_now();
        auto const digest = r.digest;
        auto const until = saturating_add(p_.time.wall_now(), valid_for);
        r.expires = until;
        forget_ended();
        MUSTER_TRY(exchange_.say(r, until));
        open_.insert_or_assign(digest, open_request{std::move(r), until, {}});
        return ok();
    }
    /// Asks no more; harmless when nothing was asked.
    void end(crypto::digest32 const& digest) {
        open_.erase(digest);
        exchange_.take_back(discovery::request_advertisement::key_of(p_.signer, digest));
    }
    /// Own requests that have not ended, and who would sign each of them. @p f takes the request and a map from signers
    /// to machines.
    template <class F>
    void for_each_own(F f) {
        forget_ended();
        for (auto const& [digest, o] : open_) f(o.what, o.answers);
    }
    /// Says that this signer would sign what @p asked asks for: the key of a request, see request_advertisement::key.
    /// @p done is told once; `closed` when this is closed before.
    /// @return `not_found` when nothing such is asked, or not of this signer; what the network refuses.
    [[nodiscard]] result<void> answer(std::string const& asked, outcome_handler done) {
        auto const* const l = p_.board.find(asked, p_.time.wall_now());
        if (l == nullptr || !l->what.wants(p_.signer)) {
            return error{connection::errc::not_found, l == nullptr ? "there is no such request, or it has ended"
                                                                   : "that request wants other signers"};
        }
        auto const& r = l->what;
        wire::writer question;
        question.raw(r.signer.view()).raw(r.digest.view()).raw(p_.signer.view()).raw(p_.binding.view());
        p_.network.hear_of(r.machine, connection::dialable(r.addresses, p_.options.takes_private));
        auto const number = ++last_answer_;
        pending_.emplace(number, std::move(done));
        auto const begun = p_.network.connect_to_peer(
            r.machine, [this, number, to = r.machine, question = question.take(),
                        alive = std::weak_ptr{alive_}](std::vector<connection::outcome> const& outcomes) {
                if (alive.expired()) return;
                if (outcomes.front().why) return finish(number, *outcomes.front().why);
                send(number, to, question);
            });
        if (begun) return ok();
        pending_.erase(number);
        return begun.error();
    }
    /// Asks again for what is asked for, with the addresses of now.
    void ask_again() { exchange_.say_again(); }
    [[nodiscard]] bool is_asking() const noexcept { return exchange_.is_saying(); }
    /// Looks around at once.
    void rescan() { exchange_.rescan(); }
    /// What happens to connections: to be told all that the network's manager tells.
    void take_news(connection::effect const& e) { exchange_.take_news(e); }
    /// What the router tells: to be told all that pubsub::on_news does.
    void take_news(gossip::effect const& e) { exchange_.take_news(e); }
    /// Withdraws what was asked, and leaves the network and the timers. Repeating it changes nothing.
    void close() {
        if (exchange_.is_closed()) return;
        p_.network.unserve(answering);
        alive_.reset();
        exchange_.close();
        for (auto const& [number, done] : std::exchange(pending_, {})) {
            done(error{transport::errc::closed, "this signer has stopped asking and answering"});
        }
    }

private:
    static constexpr std::size_t question_size =
        2 * crypto::public_key::size_in_bytes + crypto::digest32::size_in_bytes + peer::binding::size_in_bytes;
    struct open_request {
        discovery::request_advertisement what;
        timestamp until;
        std::map<crypto::public_key, peer::peer_id> answers;
    };

    [[nodiscard]] typename exchange_type::parts parts_of_exchange() {
        return {p_.network,
                p_.gossip,
                p_.board,
                p_.timers,
                p_.time,
                p_.host,
                {topic, protocol},
                [this](request_event const& e) {
                    if (p_.takes) p_.takes(e);
                },
                [this](discovery::request_advertisement& r) {
                    r.addresses = addresses_to_say(p_.addresses, discovery::request_advertisement::addresses_max);
                }};
    }
    void forget_ended() {
        std::erase_if(open_, [now = p_.time.wall_now()](auto const& o) { return o.second.until <= now; });
    }
    void send(std::uint64_t number, peer::peer_id const& to, bytes const& question) {
        auto const sent = p_.network.request(
            to, answering, question, {},
            [this, number, alive = std::weak_ptr{alive_}](transport::request_id, result<bytes> const& answer) {
                if (!alive.expired()) finish(number, answer ? ok() : result<void>{answer.error()});
            });
        if (!sent) finish(number, sent.error());
    }
    void finish(std::uint64_t number, result<void> const& outcome) {
        auto const at = pending_.find(number);
        if (at == pending_.end()) return;
        auto const done = std::move(at->second);
        pending_.erase(at);
        done(outcome);
    }
    // Keys cost nothing, and machines do: else one of them takes all places.
    [[nodiscard]] bool has_room(std::map<crypto::public_key, peer::peer_id> const& answers, peer::peer_id const& by) {
        auto const own = std::count_if(answers.begin(), answers.end(), [&](auto const& a) { return a.second == by; });
        return answers.size() < p_.options.answers_max && static_cast<std::size_t>(own) < p_.options.per_machine_max &&
               exchange_.allows(by, peer_account::said);
    }
    // Cheap checks first: what was not asked, or not of that signer, or is answered already costs no verification.
    void on_answer(transport::asked const& q) {
        wire::reader in{q.request};
        auto const asker = in.fixed<crypto::public_key>();
        auto const digest = in.fixed<crypto::digest32>();
        auto const who = in.fixed<crypto::public_key>();
        auto const binding = in.fixed<peer::binding>();
        forget_ended();
        auto const at = open_.find(digest);
        if (!in.finish() || asker != p_.signer || at == open_.end() || !at->second.what.wants(who)) {
            return p_.network.refuse(q.id);
        }
        auto& answers = at->second.answers;
        auto const known = answers.find(who);
        bool const is_repeated = known != answers.end();  // the first machine of a signer counts
        if (is_repeated ? known->second != q.peer : !has_room(answers, q.peer)) return p_.network.refuse(q.id);
        if (!is_repeated && !peer::verify_binding(who, q.peer, binding)) {
            p_.network.refuse(q.id);
            return exchange_.charge(q.peer);
        }
        (void)p_.network.answer(q.id, bytes{1});
        if (is_repeated) return;
        answers.insert_or_assign(who, q.peer);
        if (p_.answered) p_.answered(request_answered{digest, who, q.peer});
    }

    parts p_;
    std::map<crypto::digest32, open_request> open_;     ///< At most notice_exchange_options::own_max.
    std::map<std::uint64_t, outcome_handler> pending_;  ///< Own answers under way.
    std::uint64_t last_answer_ = 0;
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    exchange_type exchange_;  ///< Last: what it calls is there as long as it is.
};

}  // namespace muster::node
