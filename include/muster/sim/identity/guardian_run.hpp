// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A month of an owner whose guardians go away, one by one, and a recovery at its end.
///
/// Each hour of virtual time, messages go between the owner and those guardians who are reachable then; some are lost.
/// Guardians that vanish do so for good. Where the owner's machine says that too few are left, a new epoch is issued to
/// those who answer and to others of a circle. At the end the owner has lost everything and asks everybody.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <muster/identity/guardian_desk.hpp>
#include <muster/identity/guardian_watch.hpp>
#include <muster/identity/recovery.hpp>
#include <muster/sim/random.hpp>

namespace muster::sim::identity {

namespace id = muster::identity;

/// What happens.
struct guardian_options {
    id::sharing how{4, 12};
    std::size_t circle = 24;  ///< People who would be guardians.
    std::size_t days = 30;
    std::uint64_t vanish_percent = 50;  ///< Of the circle, at times that are evenly spread.
    std::uint64_t away_percent = 30;    ///< Of the hours in which somebody cannot be reached.
    std::uint64_t loss_percent = 10;    ///< Of messages.
    bool reissues = true;
};
/// What came of it.
struct guardian_figures {
    bool is_recovered = false;
    bool is_same = false;      ///< What was recovered is what was backed up.
    std::size_t vanished = 0;  ///< Of the circle.
    std::size_t reissued = 0;
    std::size_t messages = 0;
    std::size_t released_early = 0;  ///< Shares that were given out before three days were over: never.
    bool operator==(guardian_figures const&) const = default;
};

/// Secrets that a seed replays.
struct seeded_secrets {
    splitmix64 words;
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        for (auto& b : out) b = static_cast<byte>(words());
        return ok();
    }
};

/// One month. Deterministic: the same seed gives the same figures.
class guardian_run {
public:
    guardian_run(std::uint64_t seed, guardian_options const& o)
        : options_{o},
          random_{seed},
          secrets_{splitmix64{seed ^ 0x9d}},
          owner_{make_keys()},
          user_{id::user_of(owner_.node.public_key())},
          watch_{owner_, splitmix64{seed + 1}} {
        for (std::size_t i = 0; i < o.circle; ++i) people_.push_back(std::make_unique<person>(make_keys(), secrets_));
        for (auto& p : people_) {
            if (uniform(random_, 100) < o.vanish_percent) p->vanishes_at = uniform(random_, o.days * 24);
        }
        key_file_.resize(226);
        (void)secrets_.fill_secret(key_file_);
        std::vector<std::size_t> first;
        for (std::size_t i = 0; i < o.how.shares; ++i) first.push_back(i);
        issue(std::move(first));
    }

    [[nodiscard]] guardian_figures run() {
        for (hour_ = 0; hour_ < options_.days * 24; ++hour_) {
            now_ += std::chrono::hours{1};
            wall_ += std::chrono::hours{1};
            perform([&](auto& sink) { watch_.wake(now_, sink); });
            // Who was away is tried again when they are back, as a network does that has a connection again.
        }
        figures_.vanished = static_cast<std::size_t>(std::count_if(
            people_.begin(), people_.end(), [&](auto const& p) { return p->vanishes_at && *p->vanishes_at < hour_; }));
        recover();
        return figures_;
    }

private:
    using watch_type = id::guardian_watch<splitmix64>;
    using desk_type = id::guardian_desk<seeded_secrets>;
    struct person {
        person(peer::key_set k, seeded_secrets& source)
            : keys{std::move(k)}, desk{keys, seeded_secrets{splitmix64{source.words()}}} {}
        peer::key_set keys;
        desk_type desk;
        std::optional<std::uint64_t> vanishes_at;
    };

    [[nodiscard]] peer::key_set make_keys() {
        return peer::derive_keys(crypto::secret<32>::generate(secrets_).value()).value();
    }
    [[nodiscard]] bool is_there(std::size_t who) {
        auto const& at = people_[who]->vanishes_at;
        return (!at || hour_ < *at) && uniform(random_, 100) >= options_.away_percent;
    }
    [[nodiscard]] bool is_lost() { return uniform(random_, 100) < options_.loss_percent; }

    void issue(std::vector<std::size_t> whom) {
        guardians_ = std::move(whom);
        std::vector<id::guardian_name> names;
        for (auto const i : guardians_) {
            names.push_back(
                {id::user_of(people_[i]->keys.node.public_key()), people_[i]->keys.agreement.public_point()});
        }
        auto made = id::make_backup(key_file_, user_, owner_, names, options_.how.threshold, ++epoch_, wall_, secrets_);
        for (auto const i : guardians_) {  // whoever is asked has said yes before
            effect_list<desk_type::effect> ignored;
            people_[i]->desk.set_wall(wall_);
            (void)people_[i]->desk.keep(user_, now_, ignored);
        }
        perform([&](auto& sink) { watch_.issue(std::move(made).value(), now_, sink); });
    }
    template <class F>
    void perform(F f) {
        effect_list<watch_type::effect> sink;
        f(sink);
        for (auto& e : sink.take()) {
            if (auto* const s = std::get_if<id::watch::send>(&e)) carry(*s);
            if (auto* const r = std::get_if<id::watch::reissue_needed>(&e)) reissue(r->alive);
        }
    }
    void reissue(std::vector<std::uint8_t> const& alive) {
        if (!options_.reissues) return;
        ++figures_.reissued;
        std::vector<std::size_t> next;
        for (auto const place : alive) next.push_back(guardians_[place]);
        for (std::size_t tries = 0; next.size() < options_.how.shares && tries < 1000; ++tries) {
            auto const other = static_cast<std::size_t>(uniform(random_, people_.size()));
            bool const is_new = std::find(next.begin(), next.end(), other) == next.end() &&
                                std::find(guardians_.begin(), guardians_.end(), other) == guardians_.end();
            if (is_new && is_there(other)) next.push_back(other);  // whoever is asked face to face is there
        }
        if (next.size() >= options_.how.threshold) issue(std::move(next));
    }
    void carry(id::watch::send const& s) {
        ++figures_.messages;
        auto const who = guardians_[s.to];
        if (!is_there(who) || is_lost()) return;
        auto& p = *people_[who];
        effect_list<desk_type::effect> answers;
        p.desk.set_wall(wall_);
        p.desk.handle(id::desk::received{owner_.node.id(), s.what}, now_, answers);
        for (auto& a : answers.take()) {
            auto* const r = std::get_if<id::desk::reply>(&a);
            if (r == nullptr || is_lost()) continue;
            ++figures_.messages;
            perform([&](auto& sink) {
                watch_.handle(id::watch::received{s.to, p.keys.node.public_key(), r->what}, now_, sink);
            });
        }
    }
    // Everybody who is left is asked, approves, and is asked again three days later.
    void recover() {
        auto going_on = id::recovery::begin(user_, secrets_).value();
        auto const ask = [&](auto&& take) {
            for (auto& p : people_) {
                if (p->vanishes_at && *p->vanishes_at < hour_) continue;
                effect_list<desk_type::effect> answers;
                p->desk.set_wall(wall_);
                p->desk.handle(id::desk::received{peer::peer_id{}, going_on.request()}, now_, answers);
                for (auto& a : answers.take()) take(*p, a);
            }
        };
        ask([&](person& p, desk_type::effect& e) {
            effect_list<desk_type::effect> ignored;
            if (auto* const q = std::get_if<id::desk::ask_person>(&e))
                (void)p.desk.approve(q->request.spoken(), now_, ignored);
        });
        auto const give = [&](person&, desk_type::effect& e) {
            auto* const r = std::get_if<id::desk::reply>(&e);
            if (r == nullptr) return;
            if (auto* const s = std::get_if<id::release>(&r->what)) (void)going_on.take(*s);
        };
        auto const pass = [&](std::chrono::hours by) {
            wall_ += by;
            now_ += by;
        };
        pass(std::chrono::hours{71});
        ask([&](person&, desk_type::effect& e) {
            if (std::holds_alternative<id::desk::reply>(e)) ++figures_.released_early;
        });
        pass(std::chrono::hours{1});
        ask(give);
        auto const found = going_on.finish();
        figures_.is_recovered = static_cast<bool>(found);
        figures_.is_same = found && found.value().key_file == key_file_;
    }

    guardian_options options_;
    splitmix64 random_;
    seeded_secrets secrets_;
    peer::key_set owner_;
    id::user_id user_;
    watch_type watch_;
    std::vector<std::unique_ptr<person>> people_;
    std::vector<std::size_t> guardians_;
    bytes key_file_;
    std::uint32_t epoch_ = 0;
    std::uint64_t hour_ = 0;
    instant now_{std::chrono::hours{1}};
    timestamp wall_ = from_unix_millis(1'800'000'000'000);
    guardian_figures figures_;
};

}  // namespace muster::sim::identity
