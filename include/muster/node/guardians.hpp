// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Guardians at work: what this machine keeps for others, what others keep for it, and getting everything back.
///
/// `/muster/guardian/1.0.0`: a question is one guardian_message, the answer is any number of them, each behind its
/// length. Peers that know each other introduce themselves when they connect, which also shows successors of the key
/// that was known. What one side has to say without having been asked is a question that is answered with nothing.
///
/// Who asks for a recovery is a stranger with a fresh machine: it connects to guardians and asks all of them each half
/// minute, with the same request, until enough have given their share; see guardian_recovery.hpp.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/alarm.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/identity/guardian_desk.hpp>
#include <muster/identity/guardian_watch.hpp>
#include <muster/node/guardian_news.hpp>
#include <muster/node/guardian_people.hpp>
#include <muster/node/guardian_recovery.hpp>
#include <muster/node/guardian_store.hpp>
#include <muster/node/guardian_vetoes.hpp>
#include <muster/transport/requests.hpp>

namespace muster::node {

/// Guardians of one machine. Lifetimes: what is borrowed outlives it. Not thread-safe.
///
/// @tparam Network  a managed_network that models transport::requests.
template <class Network, timers Timers, clock Clock, secret_source Source, file_system Files = posix_files>
requires transport::requests<Network>
class guardians {
public:
    static constexpr std::string_view protocol = "/muster/guardian/1.0.0";
    using desk_type = identity::guardian_desk<Source>;
    using watch_type = identity::guardian_watch<splitmix64>;
    using store_type = guardian_store<Files>;

    /// What it is made of.
    struct parts {
        Network& network;
        Timers& timers;
        Clock const& time;
        peer::key_set const& keys;
        identity::user_id user;                 ///< Our own.
        identity::lineage line;                 ///< Which leads to the node key of @ref keys.
        std::vector<crypto::x25519_key> older;  ///< Agreement keys of the epochs before.
        Source source;
        std::string path;  ///< Of the file.
        std::function<void(guardian_news const&)> tell;
        std::function<bool(peer::peer_id const&)> is_known;  ///< Whether we introduce ourselves to that peer.
        guardians_options options = {};
        std::uint64_t seed = system_seed();
        Files files = {};
    };
    explicit guardians(parts p)
        : p_{std::move(p)},
          store_{p_.path, p_.files},
          desk_{p_.keys, p_.source, desk_options(), std::move(p_.older)},
          watch_{p_.keys, splitmix64{p_.seed}, {}, p_.line.encoded()} {}
    guardians(guardians const&) = delete;
    guardians& operator=(guardians const&) = delete;
    ~guardians() { close(); }

    /// Reads what is kept, and serves. @return the file's errors; what in it cannot be used is told and left there.
    [[nodiscard]] result<store::load_report> start() {
        MUSTER_TRY(auto const found, store_.load());
        desk_.set_wall(p_.time.wall_now());
        for (auto const& [key, content] : store_.all()) {
            if (auto const taken = resume(key.first, content); !taken) p_.tell(guardians_not_kept{taken.error()});
        }
        p_.timers.attach(wake_function::of<&guardians::wake>(*this));
        transport::request_options o;
        o.request_size_max = message_size_max;
        p_.network.serve(protocol, o, [this](transport::asked const& q) { on_question(q); });
        is_open_ = true;
        wake();
        return found;
    }
    /// Writes down how long has passed, and leaves the network and the timers. Repeating it changes nothing.
    void close() {
        if (!std::exchange(is_open_, false)) return;
        wake();
        for (auto const& [owner, w] : desk_.wards()) {
            if (w.approved) write_down(store_type::kind::ward, owner, w.encoded());
        }
        keep_backup();
        store_.write_again();
        p_.network.unserve(protocol);
        p_.timers.disarm();
        p_.timers.attach({});
        alive_.reset();
    }
    /// What happens to connections: to be told all that the network's manager tells.
    void note(connection::effect const& e) {
        if (auto const* const d = std::get_if<connection::disconnected>(&e)) there_.erase(d->peer);
        auto const* const c = std::get_if<connection::connected>(&e);
        if (c == nullptr || !is_open_) return;
        there_.insert(c->peer);
        greet(c->peer);
    }
    /// Introduces us to a peer that has become known.
    void greet(peer::peer_id const& who) {
        if (p_.is_known(who)) ask(who, own_introduction());
        if (recovery_.now()) ask(who, recovery_.now()->request());
    }

    // ---- what a person commands -------------------------------------------------------------------------

    /// Hands out shares of @p wrapped to @p whom, in place of those that were handed out before.
    /// @return `unknown_author` when one of them has not introduced themselves; what identity::make_backup returns.
    [[nodiscard]] result<void> offer(byte_view wrapped, std::span<peer::peer_id const> whom, std::uint8_t threshold) {
        std::vector<identity::guardian_name> names;
        for (auto const& who : whom) {
            auto const* const at = people_.at(who);
            if (at == nullptr) {
                return error{
                    identity::errc::unknown_author,
                    text(who.to_text(), " has not said who it is; both have to be running and to know each other")};
            }
            names.push_back({at->first, at->second.agreement});
        }
        return issue(wrapped, names, threshold);
    }
    /// The same to those who have them now, after our keys were exchanged. Expects @ref has_backup.
    [[nodiscard]] result<void> offer_again(byte_view wrapped) {
        auto const& m = watch_.current()->manifest;
        std::vector<identity::guardian_name> names;
        for (auto const& g : m.guardians) {
            auto const* const at = people_.find(g.who);
            names.push_back({g.who, at == nullptr ? g.key : at->agreement});
        }
        return issue(wrapped, names, m.threshold);
    }
    [[nodiscard]] bool has_backup() const noexcept { return watch_.current().has_value(); }
    /// Whether what was handed out is of keys that were exchanged since.
    [[nodiscard]] bool is_outdated() const {
        return has_backup() && watch_.current()->manifest.key != p_.keys.node.public_key();
    }
    /// As the commands of identity::guardian_desk. @return their errors, and the file's: what could not be written
    /// down is tried again each minute, and is not done until then. @{
    [[nodiscard]] result<void> keep(identity::user_id const& owner) {
        return with_desk([&](auto now, auto& sink) { return desk_.keep(owner, now, sink); });
    }
    [[nodiscard]] result<void> drop(identity::user_id const& owner) {
        return with_desk([&](auto now, auto& sink) { return desk_.drop(owner, now, sink), result<void>{ok()}; });
    }
    [[nodiscard]] result<std::optional<identity::request_id>> approve(std::string const& digits) {
        return with_desk([&](auto now, auto& sink) { return desk_.approve(digits, now, sink); });
    }
    [[nodiscard]] result<void> decline(identity::request_id const& which) {
        return with_desk([&](auto now, auto& sink) { return desk_.decline(which, now, sink); });
    }
    /// @}
    /// It was not we who asked: tells all guardians, and those who connect later, also after a restart.
    /// @return the errors of the key and of the file.
    [[nodiscard]] result<void> object(identity::request_id const& which) {
        result<void> done = ok();
        with_watch([&](auto, auto& sink) {
            auto const made = watch_.object(which, sink);
            done = made ? vetoes_.add(made.value()) : made.error();
        });
        if (vetoes_.find(which) != nullptr) warnings_.forget(which);
        return done;
    }
    /// Asks all peers for shares of @p owner, from now on. Asked again for the same owner it goes on with its request.
    /// @return the errors of keys and of the file.
    [[nodiscard]] result<identity::recovery_request> recover(identity::user_id const& owner) {
        if (auto const& r = recovery_.now(); r && r->request().owner == owner) return r->request();
        crypto::digest32 nonce;
        MUSTER_TRY(p_.source.fill_secret(nonce.octets));
        MUSTER_TRY(recovery_.begin(owner, nonce));
        poll();
        rearm();
        return recovery_.now()->request();
    }
    /// Asks no more. Without it asking ends a day after the last file came back. @return the file's errors.
    [[nodiscard]] result<void> end_recovery() {
        auto const done = recovery_.end();
        rearm();
        return done;
    }

    // ---- how it stands ----------------------------------------------------------------------------------

    [[nodiscard]] desk_type const& desk() const noexcept { return desk_; }
    [[nodiscard]] watch_type const& watch() const noexcept { return watch_; }
    /// Requests for our own shares that guardians have warned of, and we have not objected to; the newest last.
    [[nodiscard]] std::vector<identity::recovery_request> warnings() const { return warnings_.all(); }
    [[nodiscard]] std::optional<identity::recovery> const& recovery() const noexcept { return recovery_.now(); }
    /// The person of that id, when they have introduced themselves since the start.
    [[nodiscard]] introduced_person const* find(identity::user_id const& who) const { return people_.find(who); }

private:
    using desk_effects = effect_list<typename desk_type::effect>;
    static constexpr std::size_t message_size_max = identity::guardian_message_size_max;
    static constexpr std::size_t people_max = 1024;  ///< Who is known introduces themselves; a peer more has to wait.
    static constexpr duration save_each = std::chrono::minutes{1};  ///< What could not be written down. Ours.

    [[nodiscard]] typename desk_type::options desk_options() const {
        typename desk_type::options out;
        out.delay = p_.options.delay;
        return out;
    }
    [[nodiscard]] identity::introduction own_introduction() const {
        return {p_.user, p_.keys.signer.public_key(), p_.keys.agreement.public_point(), p_.line.encoded()};
    }

    // ---- messages ---------------------------------------------------------------------------------------

    void ask(peer::peer_id const& who, identity::guardian_message const& m) {
        if (!p_.network.is_connected(who)) return;  // they are told when they are there
        transport::request_options o;
        o.request_size_max = message_size_max;
        o.answer_size_max = identity::answers_max * message_size_max;
        (void)p_.network.request(
            who, protocol, encode(m), o,
            [this, who, alive = std::weak_ptr{alive_}](transport::request_id, result<bytes> const& answer) {
                if (!alive.expired() && answer) on_answer(who, answer.value());
            });
    }
    void on_answer(peer::peer_id const& who, byte_view all) {
        auto const read = identity::decode_answers(all);
        if (!read) return charge(who, read.error());
        for (auto const& m : read.value()) hear(who, m);
    }
    /// Takes what is no matter of the desk.
    void hear(peer::peer_id const& who, identity::guardian_message const& m) {
        if (auto const* const i = std::get_if<identity::introduction>(&m)) return learn(who, *i);
        if (auto const* const r = std::get_if<identity::release>(&m)) return take(who, *r);
        bool const is_for_us =
            std::holds_alternative<identity::acknowledgement>(m) || std::holds_alternative<identity::possession>(m);
        auto const place = place_of(who);
        auto const key = who.secp256k1_key();
        if (!is_for_us || !place || !key) return;
        with_watch([&](auto now, auto& sink) { watch_.handle(identity::watch::received{*place, *key, m}, now, sink); });
    }
    void on_question(transport::asked const& q) {
        if (!accounts_.allow(q.peer, p_.is_known(q.peer) || place_of(q.peer).has_value(), p_.time.now()))
            return p_.network.refuse(q.id);
        auto const m = identity::decode_guardian_message(q.request);
        if (!m) {
            p_.network.refuse(q.id);
            return charge(q.peer, m.error());
        }
        std::vector<identity::guardian_message> answers;
        auto const* const r = std::get_if<identity::recovery_request>(&m.value());
        if (std::holds_alternative<identity::introduction>(m.value())) {
            hear(q.peer, m.value());
            if (p_.is_known(q.peer)) answers.push_back(own_introduction());
        } else if (r != nullptr && r->owner == p_.user) {
            be_warned(q.peer, *r);
        } else if (std::holds_alternative<identity::acknowledgement>(m.value()) ||
                   std::holds_alternative<identity::possession>(m.value())) {
            hear(q.peer, m.value());
        } else {
            auto const take = [&](auto now, auto& sink) {
                desk_.handle(identity::desk::received{q.peer, m.value()}, now, sink);
            };
            if (!at_desk(take, &q.peer, &answers)) {
                p_.network.refuse(q.id);  // they ask again
                return rearm();
            }
        }
        (void)p_.network.answer(q.id, identity::encode_answers(answers));
        rearm();
    }
    void charge(peer::peer_id const& who, error const& why) {
        if constexpr (requires { p_.network.penalise(who, std::int32_t{1}); }) {
            p_.network.penalise(who, p_.options.forgery_points);
        }
        p_.tell(identity::desk::penalise{who, why});
    }

    // ---- people -----------------------------------------------------------------------------------------

    void learn(peer::peer_id const& who, identity::introduction const& i) {
        auto const key = who.secp256k1_key();
        if (!key) return;
        // What a stranger says is verified where it could concern somebody known: it is dear, up to 12 ms.
        auto const is_known = [this](auto const& each) { return p_.is_known(peer::peer_id::of(each)); };
        auto const claimed = identity::lineage::decode(i.line);
        if (!is_known(*key) && claimed && !claimed.value().passes_any(is_known)) return;
        auto const line = i.check(*key);
        if (!line) return charge(who, line.error());
        p_.tell(introduced{who, i.user, i.signer, line.value()});
        if (!p_.is_known(who) || i.user == p_.user) return;
        // Others' keys, or who shows a part of the line, are not charged: that may be an old copy of themselves.
        if (!people_.add(i.user, {who, *key, i.signer, i.agreement, line.value()})) return;
        result<void> followed = ok();
        (void)at_desk([&](auto, auto& out) { followed = desk_.follow(i.user, line.value(), *key, out); });
        if (!followed) return charge(who, followed.error());
        if (auto const place = place_of(who)) {
            for (auto const& v : vetoes_) ask(who, v);
            with_watch([&](auto now, auto& sink) { watch_.handle(identity::watch::reached{*place}, now, sink); });
        }
        auto const ward = desk_.wards().find(i.user);  // an owner who was away is warned now
        if (ward != nullptr && ward->approved) ask(who, ward->approved->what);
    }
    [[nodiscard]] std::optional<std::uint8_t> place_of(peer::peer_id const& who) const {
        if (!has_backup()) return std::nullopt;
        auto const& all = watch_.current()->manifest.guardians;
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto const* const at = people_.find(all[i].who);
            if (at != nullptr && at->peer == who) return static_cast<std::uint8_t>(i);
        }
        return std::nullopt;
    }
    void be_warned(peer::peer_id const& by, identity::recovery_request const& r) {
        auto const place = place_of(by);
        if (!place) return;  // nobody else has anything to give out
        if (auto const* const v = vetoes_.find(r.id())) return ask(by, *v);
        if (!warnings_.add(*place, r, p_.time.now())) return;
        with_watch([&](auto now, auto& sink) { watch_.handle(identity::watch::warned{r}, now, sink); });
    }

    void poll() {
        if (!recovery_.now()) return;
        polled_at_ = p_.time.now();
        for (auto const& who : there_) ask(who, recovery_.now()->request());
    }
    void take(peer::peer_id const& who, identity::release const& r) {
        auto found = recovery_.take(r, p_.time.now());
        if (!found) return charge(who, found.error());
        if (found.value()) p_.tell(recovered{std::move(*found.value())});
        rearm();
    }

    // ---- the machines -----------------------------------------------------------------------------------

    /// A person's command: what it gives, or why what came of it could not be written down.
    template <class F>
    auto with_desk(F f) {
        std::optional<decltype(f(p_.time.now(), std::declval<desk_effects&>()))> out;
        auto const done = at_desk([&](auto now, auto& sink) { out.emplace(f(now, sink)); });
        rearm();
        if (*out && !done) *out = done.error();
        return std::move(*out);
    }
    /// Lets the desk do something, and does what follows. @return why that could not be written down.
    template <class F>
    result<void> at_desk(F f, peer::peer_id const* asking = nullptr,
                         std::vector<identity::guardian_message>* answers = nullptr) {
        desk_effects sink;
        desk_.set_wall(p_.time.wall_now());
        f(p_.time.now(), sink);
        return perform(sink, asking, answers);
    }
    template <class F>
    void with_watch(F f) {
        effect_list<watch_type::effect> sink;
        f(p_.time.now(), sink);
        perform(sink);
        rearm();
    }
    void write_down(typename store_type::kind what, identity::user_id const& name, byte_view content) {
        bool const was_behind = store_.behind().has_value();
        auto const done = store_.note(what, name, content);
        if (!done && !was_behind) p_.tell(guardians_not_kept{done.error()});
    }
    /// Notes everything first. Owners are warned whatever the disk says; a reply, which promises something or gives a
    /// share out, waits until all is on the disk. @return why it is not.
    [[nodiscard]] result<void> perform(desk_effects& all, peer::peer_id const* asking,
                                       std::vector<identity::guardian_message>* answers) {
        namespace desk = identity::desk;
        auto effects = all.take();
        for (auto const& e : effects) {
            if (auto const* const k = std::get_if<desk::persist>(&e)) {
                write_down(store_type::kind::ward, k->owner, desk_.export_ward(k->owner).value_or(bytes{}));
            } else if (std::holds_alternative<desk::persist_expected>(e)) {
                write_down(store_type::kind::expected, {}, desk_.export_expected());
            }
        }
        for (auto& e : effects) {
            if (auto* const r = std::get_if<desk::reply>(&e)) {
                if (store_.behind()) continue;  // they ask again
                bool const is_answer = asking != nullptr && r->to == *asking;
                is_answer ? answers->push_back(std::move(r->what)) : ask(r->to, r->what);
            } else if (auto const* const w = std::get_if<desk::warn_owner>(&e)) {
                ask(peer::peer_id::of(w->key), w->request);
            } else if (auto const* const bad = std::get_if<desk::penalise>(&e)) {
                charge(bad->peer, bad->why);
            } else {
                tell(e);
            }
        }
        return store_.behind() ? result<void>{*store_.behind()} : ok();
    }
    void perform(effect_list<watch_type::effect>& all) {
        for (auto& e : all.take()) {
            if (auto const* const s = std::get_if<identity::watch::send>(&e)) {
                auto const* const at = people_.find(watch_.current()->manifest.guardians[s->to].who);
                if (at != nullptr) ask(at->peer, s->what);
                continue;
            }
            if (std::holds_alternative<identity::watch::standing_changed>(e)) keep_backup();
            tell(e);
        }
    }
    /// Where it is news.
    template <class Effect>
    void tell(Effect const& e) {
        std::visit(
            [&](auto const& each) {
                if constexpr (std::is_constructible_v<guardian_news, decltype(each)>) p_.tell(each);
            },
            e);
    }
    void wake() {
        auto const now = p_.time.now();
        (void)at_desk([&](auto at, auto& sink) { desk_.wake(at, sink); });
        if (store_.behind() && now - saved_at_ >= save_each) {
            saved_at_ = now;
            store_.write_again();
        }
        with_watch([&](auto at, auto& out) { watch_.wake(at, out); });
        if (has_backup() && now - backup_kept_at_ >= std::chrono::hours{1}) keep_backup();
        if (auto const end = recovery_.ends_at(); end && now >= *end) (void)recovery_.end();
        if (recovery_.now() && now - polled_at_ >= p_.options.poll_each) poll();
        rearm();
    }
    void rearm() {
        if (!is_open_) return;
        auto next = earlier(desk_.next_deadline(), watch_.next_deadline());
        if (recovery_.now()) next = earlier(next, saturating_add(polled_at_, p_.options.poll_each));
        if (has_backup()) next = earlier(next, saturating_add(backup_kept_at_, std::chrono::hours{1}));
        if (store_.behind()) next = earlier(next, saturating_add(saved_at_, save_each));
        next ? p_.timers.arm(*next) : p_.timers.disarm();
    }

    // ---- what was handed out, written down --------------------------------------------------------------

    [[nodiscard]] result<void> issue(byte_view wrapped, std::vector<identity::guardian_name> const& names,
                                     std::uint8_t threshold) {
        auto const before = has_backup() ? watch_.current()->manifest.epoch : 0;
        auto const wall = p_.time.wall_now();
        MUSTER_TRY(auto made, identity::make_backup(wrapped, p_.user, p_.keys, names, threshold,
                                                    identity::epoch_after(before, wall), wall, p_.source));
        MUSTER_TRY(store_.put(store_type::kind::own_backup, {}, handed_out{made, {}}.encoded()));
        with_watch([&](auto now, auto& sink) { watch_.issue(std::move(made), now, sink); });
        backup_kept_at_ = p_.time.now();
        return ok();
    }
    void keep_backup() {
        if (!has_backup()) return;
        backup_kept_at_ = p_.time.now();
        auto const content = handed_out{*watch_.current(), watch_.standings(p_.time.now())}.encoded();
        write_down(store_type::kind::own_backup, {}, content);
    }
    [[nodiscard]] result<void> resume_backup(byte_view kept) {
        MUSTER_TRY(auto was, handed_out::decode(kept));
        with_watch([&](auto now, auto& sink) { watch_.resume(std::move(was.what), was.standings, now, sink); });
        backup_kept_at_ = p_.time.now();
        return ok();
    }
    [[nodiscard]] result<void> resume(typename store_type::kind what, byte_view kept) {
        switch (what) {
            case store_type::kind::ward: return desk_.import_ward(kept);
            case store_type::kind::own_backup: return resume_backup(kept);
            case store_type::kind::own_recovery: return recovery_.resume(kept);
            case store_type::kind::own_veto: return vetoes_.resume(kept, p_.keys.node);
            case store_type::kind::expected: return desk_.import_expected(kept);
        }
        return ok();  // of a later version
    }

    parts p_;
    store_type store_;
    desk_type desk_;
    watch_type watch_;
    guardian_people people_{people_max};
    question_accounts accounts_{p_.options};
    std::set<peer::peer_id> there_;  ///< Connected; the network bounds them.
    guardian_warnings warnings_{p_.options};
    guardian_vetoes<store_type> vetoes_{store_};
    guardian_recovery<store_type> recovery_{store_, p_.keys.backup};
    instant polled_at_{};
    instant backup_kept_at_{};
    instant saved_at_{};
    bool is_open_ = false;
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace muster::node
