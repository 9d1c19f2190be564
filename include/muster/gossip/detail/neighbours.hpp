// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Peers, topics, who is subscribed to what, and what is said to whom at the end of a call.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/cache/hasher.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/gossip/event.hpp>
#include <muster/gossip/options.hpp>
#include <muster/gossip/outbound_queue.hpp>
#include <muster/gossip/score.hpp>
#include <muster/gossip/wire/rpc_writer.hpp>

namespace muster::gossip::detail {

struct topic_state;

/// A message that a peer announced and that we asked it for.
struct promise {
    message_id id;
    instant until;
};

/// A connected peer.
struct peer_state {
    peer_state(peer_up const& e, std::uint64_t n, score_book::entry& s, options const& o)
        : id{e.peer},
          number{n},
          version{e.version},
          direction{e.direction},
          score{&s},
          queue{o.outbound_bytes_max},
          subscription_changes{rate_limiter::per_second(o.subscriptions_per_second, o.subscriptions_burst)},
          empty_rpcs{rate_limiter::per_second(o.empty_rpcs_per_second, 20)} {}

    peer_id id;
    std::uint64_t number;  ///< Of this connection; never used again.
    gossip::version version;
    gossip::direction direction;
    score_book::entry* score;
    bool is_explicit = false;
    std::vector<topic_state*> topics = {};  ///< That it is subscribed to.

    outbound_queue queue;
    rpc::rpc_content control = {};    ///< To be said at the end of the call.
    rpc::rpc_content announced = {};  ///< The same, of the kind that matters least.
    bool is_writable = true;
    bool is_stalled = false;  ///< Even control did not fit: it is told nothing until it is writable.
    bool is_dirty = false;    ///< There is something to be said.

    std::unordered_map<std::uint64_t, std::uint64_t> unwanted = {};  ///< Hash of id, and the heartbeat it is kept to.
    std::vector<promise> promises = {};
    std::size_t ihave_messages = 0;  ///< Since the heartbeat, as are the next three.
    std::size_t ids_asked = 0;
    std::size_t idontwant_messages = 0;
    std::size_t idontwant_ids = 0;
    std::size_t pending = 0;  ///< Of its messages that are being validated.
    rate_limiter subscription_changes;
    rate_limiter empty_rpcs;
    bytes record = {};  ///< Its signed peer record.
};

using peer_list = std::vector<peer_state*>;
[[nodiscard]] inline bool contains(peer_list const& l, peer_state const& p) noexcept {
    return std::find(l.begin(), l.end(), &p) != l.end();
}
inline bool remove(peer_list& l, peer_state const& p) noexcept { return std::erase(l, &p) != 0; }

/// A topic that we, or peers, are interested in.
struct topic_state {
    std::string name;
    peer_list subscribers = {};
    bool is_joined = false;
    topic_options options = {};
    std::size_t score_number = 0;  ///< In the score book, once joined.
    peer_list mesh = {};
    peer_list fanout = {};
    deadline fanout_until = {};  ///< While we publish without being subscribed.

    [[nodiscard]] bool is_used() const noexcept { return is_joined || !subscribers.empty() || fanout_until; }
};

/// All of these. Effects are collected in `effects`, for the router to hand out at the end of its call.
class neighbours {
public:
    /// @p o must outlive this.
    neighbours(options const& o, peer_id const& own, std::uint64_t seed)
        : limits{o}, self{own}, random{seed}, scores{o.score}, hash_{hash_key_of(random)} {}
    neighbours(neighbours const&) = delete;
    neighbours& operator=(neighbours const&) = delete;

    options const& limits;
    peer_id self;  ///< Never recommended, never wanted.
    splitmix64 random;
    score_book scores;
    effect_list<effect> effects;
    std::map<peer_id, peer_state> peers;
    std::map<std::string, topic_state, std::less<>> topics;
    peer_list explicit_peers;  ///< Those that are connected.

    // ---- peers and topics -------------------------------------------------------------------------------

    [[nodiscard]] peer_state* find(peer_id const& who) {
        auto const at = peers.find(who);
        return at == peers.end() ? nullptr : &at->second;
    }
    [[nodiscard]] topic_state* find_topic(std::string_view name) {
        auto const at = topics.find(name);
        return at == topics.end() ? nullptr : &at->second;
    }
    [[nodiscard]] topic_state* find_joined(std::string_view name) {
        auto* const t = find_topic(name);
        return t != nullptr && t->is_joined ? t : nullptr;
    }
    [[nodiscard]] topic_state& topic(std::string_view name) {
        auto const at = topics.find(name);
        if (at != topics.end()) return at->second;
        return topics.emplace(std::string{name}, topic_state{std::string{name}}).first->second;
    }
    /// Forgets @p t where nobody is interested in it any more.
    void release(topic_state& t) {
        if (!t.is_used()) topics.erase(topics.find(t.name));
    }
    peer_state& add(peer_up const& e) {
        auto& score = scores.connect(e.peer, e.ip_group);
        return peers.try_emplace(e.peer, e, ++connections_, score, limits).first->second;
    }
    /// Takes @p p out of everything. Mesh links end before.
    void remove_peer(peer_state& p, instant now) {
        for (auto* const t : p.topics) {
            remove(t->subscribers, p);
            remove(t->fanout, p);
            release(*t);
        }
        std::erase(dirty_, &p);
        remove(explicit_peers, p);
        auto const who = p.id;
        peers.erase(who);
        scores.disconnect(who, now);
    }
    [[nodiscard]] static bool is_subscribed(peer_state const& p, topic_state const& t) noexcept {
        return std::find(p.topics.begin(), p.topics.end(), &t) != p.topics.end();
    }

    [[nodiscard]] double score(peer_state const& p) const { return scores.score(*p.score); }
    /// Charges @p p: its behaviour (P7), and whoever keeps accounts elsewhere.
    void offend(peer_state& p, offence why, std::uint32_t times = 1) {
        scores.offend(*p.score, times);
        effects.push(penalise{p.id, times, why});
    }

    /// The keyed hash of an id: nobody can choose two of the same.
    [[nodiscard]] std::uint64_t hash(message_id const& id) const noexcept { return hash_(id.characters()) | 1; }
    [[nodiscard]] std::uint64_t hash(byte_view content) const noexcept {
        return hash_(std::string_view{reinterpret_cast<char const*>(content.data()), content.size()});
    }
    [[nodiscard]] cache::multiply_hash const& hasher() const noexcept { return hash_; }
    /// Puts @p list in a random order.
    template <class T>
    void shuffle(std::vector<T>& list) {
        for (std::size_t i = list.size(); i > 1; --i) {
            using std::swap;
            swap(list[i - 1], list[static_cast<std::size_t>(uniform(random, i))]);
        }
    }

    // ---- what is said -----------------------------------------------------------------------------------

    /// Where to add what @p p is to be told.
    [[nodiscard]] rpc::rpc_content& say(peer_state& p) {
        mark(p);
        return p.control;
    }
    [[nodiscard]] rpc::rpc_content& announce(peer_state& p) {
        mark(p);
        return p.announced;
    }
    /// A message to @p p, unless it does not want it. What does not fit is dropped.
    void post(peer_state& p, traffic kind, shared_frame const& frame, std::uint64_t hash_of_id) {
        if (p.is_stalled || p.unwanted.count(hash_of_id) != 0) return;
        if (p.queue.push({kind, frame, hash_of_id})) mark(p);
    }
    /// Turns what was said into frames, and sends what can be sent. Calls `stalled(peer)` for each whose queue does not
    /// even take control, after which nothing waits for it.
    template <class F>
    void flush(F stalled) {
        for (std::size_t i = 0; i < dirty_.size(); ++i) {  // one that stalls may add to the list
            auto& p = *dirty_[i];
            p.is_dirty = false;
            if (!p.is_stalled && !enqueue(p)) {
                p.is_stalled = true;
                p.queue.clear();
                stalled(p);
            }
            if (p.is_stalled) {
                p.control = {};
                p.announced = {};
            }
            if (!p.is_writable) continue;
            while (auto e = p.queue.pop()) effects.push(send{p.id, e->traffic, std::move(e->frame)});
        }
        dirty_.clear();
    }
    void mark(peer_state& p) {
        if (std::exchange(p.is_dirty, true)) return;
        dirty_.push_back(&p);
    }

private:
    [[nodiscard]] static cache::hash_key hash_key_of(splitmix64& random) {
        return {{random(), random(), random(), random()}};
    }
    [[nodiscard]] static bool enqueue(peer_state& p) {
        if (!p.control.empty()) {
            auto frame = std::make_shared<bytes const>(rpc::encode_rpc(p.control));
            p.control = {};
            if (!p.queue.push({traffic::control, std::move(frame)})) return false;
        }
        if (!p.announced.empty()) {
            auto frame = std::make_shared<bytes const>(rpc::encode_rpc(p.announced));
            p.announced = {};
            (void)p.queue.push({traffic::gossip, std::move(frame)});
        }
        return true;
    }

    cache::multiply_hash hash_;
    peer_list dirty_;
    std::uint64_t connections_ = 0;
};

}  // namespace muster::gossip::detail
