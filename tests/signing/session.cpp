// SPDX-License-Identifier: MIT

#include <muster/signing/session.hpp>

#include <muster/musig2/portable.hpp>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace session_tests {

using namespace muster;
using namespace muster::signing;

namespace {

template <class Topology>
using session_of = session<musig2::portable, Topology>;

/// Sessions of one proposal, one per signer, driven frame by frame: a transcript.
template <class Topology>
struct stage {
    limits bounds;
    instant now{std::chrono::hours{1}};
    instant const ends = now + std::chrono::hours{24};
    std::vector<peer::key_set> keys;
    std::shared_ptr<proposal const> plan;
    session_id id;
    std::vector<session_of<Topology>> sessions;
    test::predictable source{7};
    std::uint64_t sequence = 0;

    explicit stage(std::size_t n, limits l = {}) : bounds{l} {
        proposal p;
        for (std::size_t i = 0; i < n; ++i) {
            keys.push_back(test::node_keys(i));
            p.roster.push_back({keys[i].signer.public_key(), keys[i].node.id(),
                                peer::bind(keys[i].signer, keys[i].node.id()).value()});
        }
        p.messages = {digest32{{1}}};
        p.expires_at = from_unix_millis(1);
        p.topology = Topology::id;
        p.election = election_method::first_signer;
        plan = std::make_shared<proposal const>(p);
        id = id_of(encode(p));
        std::vector<public_key> signers;
        for (auto const& m : p.roster) signers.push_back(m.signer);
        auto const group = musig2::portable{}.key_agg(signers).value();
        for (slot s = 0; s < n; ++s) {
            sessions.push_back(session_of<Topology>{
                {id, {}, plan, group, s, epoch(s), now + std::chrono::minutes{10}, ends}, bounds, now});
        }
    }

    [[nodiscard]] static boot_epoch epoch(slot s, byte life = 1) { return boot_epoch{{static_cast<byte>(s), life}}; }

    /// @p what as signed by @p from.
    [[nodiscard]] authenticated_frame frame(slot from, body what, byte life = 1) {
        frame_header const header{id, epoch(from, life), from, ++sequence, kind_of(what)};
        auto raw = encode_frame(header, what, keys[from].node).value();
        return {header, std::move(what), std::move(raw)};
    }

    /// Approves for @p s and returns what it wants done.
    [[nodiscard]] std::vector<session_effect> approve(slot s) {
        effect_list<session_effect> out;
        REQUIRE(sessions[s].approve(source, keys[s].signer, now, out));
        return out.take();
    }
    /// Hands a frame to @p to and returns what it wants done.
    std::vector<session_effect> tell(slot to, slot from, body const& what, byte life = 1) {
        effect_list<session_effect> out;
        sessions[to].handle(frame(from, what, life), now, out);
        return out.take();
    }
    std::vector<session_effect> wake(slot s) {
        effect_list<session_effect> out;
        sessions[s].wake(now, out);
        return out.take();
    }
    /// The body of the first frame of type Body among @p effects.
    template <class Body>
    [[nodiscard]] static Body sent(std::vector<session_effect> const& effects) {
        for (auto const& e : effects) {
            auto const* const f = std::get_if<send_frame>(&e);
            if (f != nullptr && std::holds_alternative<Body>(f->what)) return std::get<Body>(f->what);
        }
        throw std::runtime_error{"no such frame was sent"};
    }
    template <class Event>
    [[nodiscard]] static Event const* told(std::vector<session_effect> const& effects) {
        for (auto const& e : effects) {
            if (auto const* const n = std::get_if<notify>(&e)) {
                if (auto const* const event = std::get_if<Event>(&n->what)) return event;
            }
        }
        return nullptr;
    }

    /// Brings session 0 of three to @p target; nonces and shares of the others are kept for later use.
    void bring_to(phase target) {
        if (target == phase::over) {
            effect_list<session_effect> out;
            REQUIRE(sessions[0].cancel("enough", out));
        }
        if (target == phase::awaiting_approval || target == phase::over) return;
        std::vector<nonces_body> nonces;
        for (slot s = 0; s < sessions.size(); ++s) nonces.push_back(sent<nonces_body>(approve(s)));
        if (target == phase::collecting_nonces) return;
        std::vector<shares_body> shares(sessions.size());
        for (slot to = 0; to < sessions.size(); ++to) {
            for (slot from = 0; from < sessions.size(); ++from) {
                auto const effects = tell(to, from, nonces[from]);
                if (sessions[to].at() == phase::collecting_shares && from != to && shares[to].shares.empty()) {
                    shares[to] = sent<shares_body>(effects);
                }
            }
        }
        if (target == phase::collecting_shares) return;
        if (target == phase::stalled || target == phase::unresolved) {
            effect_list<session_effect> out;
            REQUIRE(sessions[0].cancel("enough", out));
            if (target == phase::unresolved) now = ends, wake(0);
            return;
        }
        for (slot from = 1; from < sessions.size(); ++from) tell(0, from, shares[from]);
    }
};

using mesh_stage = stage<mesh>;

/// Whether @p e is exactly the frame @p f.
bool is(session_effect const& e, send_frame const& f) {
    auto const* const sent = std::get_if<send_frame>(&e);
    return sent != nullptr && *sent == f;
}

/// One of every kind of frame, none of which a session in the wrong state may act on.
std::vector<body> every_body() {
    return {hello_body{},
            propose_body{},
            decline_body{"no"},
            nonces_body{{musig2::pubnonce{}}},
            aggregate_nonces_body{{}, {musig2::aggnonce{}}},
            shares_body{{}, {musig2::psig{}}},
            signatures_body{{signature{}}},
            abort_body{abort_reason::cancelled, std::nullopt, "bye"},
            request_body{},
            broadcast_done_body{},
            view_change_body{0, 1}};
}

}  // namespace

TEST_CASE("the happy path of a session, frame by frame") {
    mesh_stage s{3};
    auto& me = s.sessions[0];
    CHECK(me.at() == phase::awaiting_approval);
    CHECK(me.next_deadline() == s.now + std::chrono::minutes{10});

    auto const approved = s.approve(0);
    REQUIRE(approved.size() == 2);
    auto const mine = mesh_stage::sent<nonces_body>(approved);
    CHECK(std::holds_alternative<persist>(approved[0]));  // before anything is promised
    CHECK(is(approved[1], send_frame{std::nullopt, mine}));
    CHECK(me.at() == phase::collecting_nonces);
    CHECK(me.next_deadline() == s.now + std::chrono::seconds{10});  // the first retry

    auto const nonces1 = mesh_stage::sent<nonces_body>(s.approve(1));
    auto const nonces2 = mesh_stage::sent<nonces_body>(s.approve(2));
    auto const first = s.tell(0, 1, nonces1);
    REQUIRE(first.size() == 1);
    CHECK(mesh_stage::told<nonces_received>(first)->from == 1);
    auto const second = s.tell(0, 2, nonces2);
    REQUIRE(second.size() == 4);
    CHECK(std::holds_alternative<persist>(second[1]));  // the news, then this, then the shares
    CHECK(mesh_stage::told<nonces_complete>(second) != nullptr);
    auto const my_shares = mesh_stage::sent<shares_body>(second);
    CHECK(me.at() == phase::collecting_shares);

    for (slot to : {1u, 2u}) s.tell(to, 0, mine);
    auto const shares1 = mesh_stage::sent<shares_body>(s.tell(1, 2, nonces2));
    auto const shares2 = mesh_stage::sent<shares_body>(s.tell(2, 1, nonces1));
    CHECK(shares1.transcript == my_shares.transcript);
    s.tell(0, 1, shares1);
    auto const last = s.tell(0, 2, shares2);
    REQUIRE(last.size() == 4);
    CHECK(mesh_stage::told<shares_received>(last) != nullptr);
    CHECK(mesh_stage::told<completed>(last)->coordinator == 0);
    CHECK(mesh_stage::told<should_broadcast>(last) != nullptr);
    CHECK(me.at() == phase::finished);
    CHECK_FALSE(me.next_deadline());

    effect_list<session_effect> out;
    REQUIRE(me.notify_broadcast_complete(out));
    REQUIRE(me.notify_broadcast_complete(out));
    auto const done = out.take();
    REQUIRE(done.size() == 3);
    CHECK(is(done[0], send_frame{std::nullopt, broadcast_done_body{}}));
    CHECK(mesh_stage::told<broadcast_confirmed>(done)->by == 0);
}

TEST_CASE("no order of arrival loses anything", "[misuse-30]") {
    // What reaches slot 0: its own approval, nonces and shares of slots 1 and 2. Nobody has a share before it approves.
    std::string order = "AMNST";  // approval, nonces of 1 and 2, shares of 1 and 2
    std::sort(order.begin(), order.end());
    do {
        if (order.find('A') > order.find('S') || order.find('A') > order.find('T')) continue;
        mesh_stage s{3};
        auto const nonces1 = mesh_stage::sent<nonces_body>(s.approve(1));
        auto const nonces2 = mesh_stage::sent<nonces_body>(s.approve(2));
        std::optional<shares_body> shares1, shares2;
        INFO(order);
        for (char const what : order) {
            if (what == 'A') {
                auto const nonces0 = mesh_stage::sent<nonces_body>(s.approve(0));
                s.tell(1, 0, nonces0);
                s.tell(2, 0, nonces0);
                shares1 = mesh_stage::sent<shares_body>(s.tell(1, 2, nonces2));
                shares2 = mesh_stage::sent<shares_body>(s.tell(2, 1, nonces1));
            }
            if (what == 'M') s.tell(0, 1, nonces1);
            if (what == 'N') s.tell(0, 2, nonces2);
            if (what == 'S') s.tell(0, 1, *shares1);
            if (what == 'T') s.tell(0, 2, *shares2);
        }
        CHECK(s.sessions[0].at() == phase::finished);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("every state takes every frame from anyone without harm, also from slots that do not exist") {
    for (auto const target : {phase::awaiting_approval, phase::collecting_nonces, phase::collecting_shares,
                              phase::stalled, phase::unresolved, phase::finished, phase::over}) {
        for (auto const& what : every_body()) {
            mesh_stage s{3};
            s.bring_to(target);
            REQUIRE(s.sessions[0].at() == target);
            INFO(to_string(target) << " takes kind " << static_cast<int>(kind_of(what)));
            // Our own slot and slots outside the roster are never acted on.
            CHECK(s.tell(0, 0, what).empty());
            auto stray = s.frame(1, what);
            stray.header.sender = 3;
            effect_list<session_effect> out;
            s.sessions[0].handle(stray, s.now, out);
            CHECK(out.empty());
            CHECK(s.sessions[0].at() == target);

            auto const effects = s.tell(0, 1, what);
            auto const at = s.sessions[0].at();
            switch (kind_of(what)) {
                case kind::decline:
                case kind::abort:
                    // A share that was given is not taken back by anyone's word.
                    CHECK(at == (target < phase::collecting_shares    ? phase::over
                                 : target == phase::collecting_shares ? phase::stalled
                                                                      : target));
                    break;
                case kind::nonces:
                    // Before all nonces are in it is a contribution; afterwards it contradicts the first.
                    CHECK(at == (target == phase::collecting_shares ? phase::stalled : target));
                    break;
                case kind::shares:
                case kind::signatures:
                case kind::aggregate_nonces:
                case kind::hello: CHECK(at == target); break;
                case kind::request:
                case kind::propose: CHECK(at == target); break;
                case kind::broadcast_done:
                    CHECK(at == target);
                    CHECK_FALSE(s.sessions[0].is_confirmed());  // slot 0 is elected, not slot 1
                    break;
                case kind::view_change:
                    CHECK(at == target);
                    CHECK(s.sessions[0].view() == 0);  // one of two others is no majority
                    break;
            }
            if (target == phase::over && kind_of(what) != kind::request && kind_of(what) != kind::propose) {
                CHECK(effects.empty());
            }
        }
    }
}

TEST_CASE("commands that do not fit the state are refused and change nothing") {
    for (auto const target : {phase::awaiting_approval, phase::collecting_nonces, phase::collecting_shares,
                              phase::stalled, phase::unresolved, phase::finished, phase::over}) {
        mesh_stage s{3};
        s.bring_to(target);
        auto& me = s.sessions[0];
        effect_list<session_effect> out;
        INFO(to_string(target));
        if (target != phase::awaiting_approval) {
            CHECK(me.approve(s.source, s.keys[0].signer, s.now, out).error() == errc::wrong_state);
            CHECK(me.decline("no", out).error() == errc::wrong_state);
        }
        if (target != phase::finished) {
            CHECK(me.trigger_coordinator_failover(s.now, out).error() == errc::wrong_state);
            CHECK(me.notify_broadcast_complete(out).error() == errc::wrong_state);
        }
        if (target > phase::collecting_shares) CHECK(me.cancel("no", out).error() == errc::wrong_state);
        CHECK(out.empty());
        CHECK(me.at() == target);
    }
}

TEST_CASE("wake-ups: early ones do nothing, late and repeated ones do the same once") {
    for (auto const target : {phase::awaiting_approval, phase::collecting_nonces}) {
        for (auto const late : {duration{0}, duration{std::chrono::hours{5}}}) {
            mesh_stage s{3};
            s.bring_to(target);
            INFO(to_string(target));
            CHECK(s.wake(0).empty());
            s.now = *s.sessions[0].next_deadline() - duration{1};
            CHECK(s.wake(0).empty());
            CHECK(s.sessions[0].at() == target);
            s.now += std::chrono::minutes{11};  // past every deadline there is
            s.now += late;
            auto const effects = s.wake(0);
            REQUIRE(effects.size() == 3);
            auto const* const end = mesh_stage::told<aborted>(effects);
            REQUIRE(end != nullptr);
            CHECK(end->reason == (target == phase::awaiting_approval ? abort_reason::expired : abort_reason::timeout));
            CHECK(s.wake(0).empty());
            CHECK_FALSE(s.sessions[0].next_deadline());
        }
    }
}

TEST_CASE("a retry asks exactly those whose part is missing") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_nonces);
    s.now = *s.sessions[1].next_deadline();
    auto const asked = s.wake(1);
    // Slot 1 is not the initiator: one request to each of the two others.
    REQUIRE(asked.size() == 2);
    CHECK(is(asked[0], send_frame{0, request_body{}}));
    CHECK(is(asked[1], send_frame{2, request_body{}}));
    CHECK(s.wake(1).empty());  // until the next interval
    // The initiator repeats the proposal as well.
    auto const repeated = s.wake(0);
    CHECK(mesh_stage::sent<propose_body>(repeated).encoded == encode(*s.plan));
}

TEST_CASE("a request is answered with the same contribution, once per sequence number") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_shares);
    auto const request = s.frame(1, request_body{});
    effect_list<session_effect> out;
    s.sessions[0].handle(request, s.now, out);
    auto const first = out.take();
    auto const again = mesh_stage::sent<shares_body>(first);
    s.now += std::chrono::seconds{1};
    s.sessions[0].handle(request, s.now, out);  // replayed
    CHECK(out.empty());
    CHECK(s.tell(0, 1, request_body{}).size() == first.size());
    CHECK(s.tell(0, 1, request_body{}).empty());  // too soon
    s.now += std::chrono::seconds{1};
    CHECK(mesh_stage::sent<shares_body>(s.tell(0, 1, request_body{})) == again);
}

TEST_CASE("two different nonces from one signer convict it before everyone", "[misuse-31]") {
    mesh_stage s{4};
    s.bring_to(phase::collecting_nonces);
    auto const a = s.frame(1, nonces_body{{musig2::pubnonce{{1}}}});
    auto const b = s.frame(1, nonces_body{{musig2::pubnonce{{2}}}});
    effect_list<session_effect> out;
    s.sessions[0].handle(a, s.now, out);
    (void)out.take();
    s.sessions[0].handle(a, s.now, out);
    CHECK(out.empty());  // the same again is no crime
    s.sessions[0].handle(b, s.now, out);
    auto const effects = out.take();
    auto const* const proof = mesh_stage::told<equivocation_proven>(effects);
    REQUIRE(proof != nullptr);
    CHECK(proof->by == 1);
    CHECK(proof->first == a.raw);
    CHECK(proof->second == b.raw);
    std::size_t passed_on = 0;
    for (auto const& e : effects) passed_on += std::holds_alternative<forward_frame>(e) ? 1u : 0u;
    CHECK(passed_on == 4);  // two frames to each of the two others
    CHECK(mesh_stage::told<aborted>(effects)->reason == abort_reason::equivocation);
    CHECK(mesh_stage::told<aborted>(effects)->culprit == 1u);
}

TEST_CASE("a signer that tells different nonces to different peers is found out by the transcript", "[misuse-31]") {
    mesh_stage s{3};
    std::vector<nonces_body> nonces;
    for (slot i = 0; i < 3; ++i) nonces.push_back(mesh_stage::sent<nonces_body>(s.approve(i)));
    // Slot 2 tells slot 1 a second nonce.
    auto const other = musig2::portable{}.nonce_gen(s.source, {.key = s.keys[2].signer.public_key()}).value();
    auto const honest = s.frame(2, nonces[2]);
    auto const lie = s.frame(2, nonces_body{{other.second}});
    effect_list<session_effect> out;
    s.tell(0, 1, nonces[1]);
    s.sessions[0].handle(honest, s.now, out);
    (void)out.take();
    s.tell(1, 0, nonces[0]);
    s.sessions[1].handle(lie, s.now, out);
    auto const shares1 = mesh_stage::sent<shares_body>(out.take());
    // Slot 0 gets a share made under other nonces: it blames nobody, and shows slot 1 what it has.
    auto const effects = s.tell(0, 1, shares1);
    CHECK(mesh_stage::told<aborted>(effects) == nullptr);
    auto const forwarded = std::any_of(effects.begin(), effects.end(), [&](session_effect const& e) {
        auto const* const f = std::get_if<forward_frame>(&e);
        return f != nullptr && *f == forward_frame{1, honest.raw};
    });
    REQUIRE(forwarded);
    s.sessions[1].handle(honest, s.now, out);
    auto const verdict = out.take();
    CHECK(mesh_stage::told<stalled>(verdict)->reason == abort_reason::equivocation);
    CHECK(mesh_stage::told<stalled>(verdict)->culprit == 2u);
}

TEST_CASE("a false share is pinned on its author, by everyone alike") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_shares);
    auto const mine = mesh_stage::sent<shares_body>(s.tell(0, 1, request_body{}));
    auto const honest2 = mesh_stage::sent<shares_body>(s.tell(2, 1, request_body{}));
    auto false1 = mesh_stage::sent<shares_body>(s.tell(1, 2, request_body{}));
    false1.shares[0].octets[31] ^= 1;
    s.tell(0, 1, false1);
    auto const verdict0 = s.tell(0, 2, honest2);
    s.tell(2, 1, false1);
    auto const verdict2 = s.tell(2, 0, mine);
    for (auto const* v : {&verdict0, &verdict2}) {
        CHECK(mesh_stage::told<completed>(*v) == nullptr);
        CHECK(mesh_stage::told<stalled>(*v)->reason == abort_reason::invalid_share);
        CHECK(mesh_stage::told<stalled>(*v)->culprit == 1u);
    }
}

TEST_CASE("an abort from a signer whose share we hold does not stop us, one whose share we need does") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_shares);
    auto const shares1 = mesh_stage::sent<shares_body>(s.tell(1, 0, request_body{}));
    auto const shares2 = mesh_stage::sent<shares_body>(s.tell(2, 0, request_body{}));
    s.tell(0, 1, shares1);
    CHECK(s.tell(0, 1, abort_body{}).empty());
    auto const done = s.tell(0, 2, shares2);
    CHECK(mesh_stage::told<completed>(done) != nullptr);

    mesh_stage t{3};
    t.bring_to(phase::collecting_shares);
    auto const gone = t.tell(0, 1, abort_body{abort_reason::timeout, 2, "tired"});
    auto const* const end = mesh_stage::told<stalled>(gone);
    REQUIRE(end != nullptr);
    CHECK(end->reported_by == 1u);  // its word, not our finding
    CHECK(end->culprit == 2u);
}

TEST_CASE("a new boot epoch kills the session in round one, and in round two only if the share is missing") {
    {
        mesh_stage s{3};
        s.bring_to(phase::collecting_nonces);
        s.tell(0, 1, request_body{});
        auto const end = s.tell(0, 1, request_body{}, 2);
        CHECK(mesh_stage::told<aborted>(end)->reason == abort_reason::restarted);
        CHECK(mesh_stage::told<aborted>(end)->culprit == 1u);
    }
    {
        mesh_stage s{3};
        s.bring_to(phase::collecting_shares);
        auto const shares1 = mesh_stage::sent<shares_body>(s.tell(1, 0, request_body{}));
        s.tell(0, 1, shares1);
        CHECK(s.tell(0, 1, request_body{}, 2).empty());
        CHECK(s.sessions[0].at() == phase::collecting_shares);
        auto const end = s.tell(0, 2, request_body{}, 2);
        CHECK(mesh_stage::told<stalled>(end)->culprit == 2u);
    }
}

TEST_CASE("a contribution of the wrong number of values ends the session with its author named") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_nonces);
    auto const end = s.tell(0, 1, nonces_body{{musig2::pubnonce{}, musig2::pubnonce{}}});
    CHECK(mesh_stage::told<aborted>(end)->reason == abort_reason::invalid_nonce);
    CHECK(mesh_stage::told<aborted>(end)->culprit == 1u);
}

TEST_CASE("a nonce that is no point is pinned on its author when it is used") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_nonces);
    auto const honest = mesh_stage::sent<nonces_body>(s.tell(1, 0, request_body{}));
    s.tell(0, 1, honest);
    auto const end = s.tell(0, 2, nonces_body{{musig2::pubnonce{}}});
    CHECK(mesh_stage::told<aborted>(end)->reason == abort_reason::invalid_nonce);
    CHECK(mesh_stage::told<aborted>(end)->culprit == 2u);
}

TEST_CASE("a claim to have broadcast counts when it is its author's turn, and not before") {
    mesh_stage s{3};  // first_signer: slot 0 is elected, then 1, then 2
    s.bring_to(phase::collecting_shares);
    auto const shares1 = mesh_stage::sent<shares_body>(s.tell(1, 0, request_body{}));
    auto const shares2 = mesh_stage::sent<shares_body>(s.tell(2, 0, request_body{}));
    CHECK(s.tell(0, 1, broadcast_done_body{}).empty());  // there is no signature yet
    s.tell(0, 1, shares1);
    auto const done = s.tell(0, 2, shares2);
    CHECK(mesh_stage::told<should_broadcast>(done) != nullptr);
    CHECK(mesh_stage::told<broadcast_confirmed>(done) == nullptr);
    effect_list<session_effect> out;
    REQUIRE(s.sessions[0].trigger_coordinator_failover(s.now, out));
    auto const moved = out.take();
    CHECK(mesh_stage::told<coordinator_failed>(moved)->new_coordinator == 1);
    CHECK(mesh_stage::told<broadcast_confirmed>(moved)->by == 1);

    mesh_stage t{3};
    t.bring_to(phase::collecting_shares);
    auto const mine = mesh_stage::sent<shares_body>(t.tell(0, 1, request_body{}));
    auto const third = mesh_stage::sent<shares_body>(t.tell(2, 1, request_body{}));
    t.tell(1, 0, broadcast_done_body{});
    t.tell(1, 0, mine);
    CHECK(mesh_stage::told<broadcast_confirmed>(t.tell(1, 2, third))->by == 0);
}

TEST_CASE("aggregator: an aggregator that lies about the sum is named once the signed nonces are on the table",
          "[misuse-32]") {
    using star = stage<aggregator>;
    star s{3};  // first_signer: slot 0 is the aggregator
    auto const elected = musig2::portable{}.nonce_gen(s.source, {.key = s.keys[0].signer.public_key()}).value();
    auto const nonces1 = star::sent<nonces_body>(s.approve(1));
    auto const nonces2 = star::sent<nonces_body>(s.approve(2));
    nonces_body const nonces0{{elected.second}};

    // The sum leaves slot 2 out, under the transcript of all three.
    contributions all{3};
    all.file(0, nonces0, {});
    all.file(1, nonces1, {});
    all.file(2, nonces2, {});
    auto const lie = musig2::portable{}.nonce_agg(std::vector{elected.second, nonces1.nonces[0]}).value();
    aggregate_nonces_body const claim{*all.transcript(s.id), {lie}};
    auto const shares1 = star::sent<shares_body>(s.tell(1, 0, claim));
    auto const shares2 = star::sent<shares_body>(s.tell(2, 0, claim));

    // The aggregator blames slot 2 and passes on the evidence: slot 1 sees for itself.
    s.tell(1, 0, nonces0);
    s.tell(1, 2, nonces2);
    s.tell(1, 2, shares2);
    auto const verdict =
        s.tell(1, 0, shares_body{contributions::bind_sums(claim.transcript, claim.nonces), {musig2::psig{{1}}}});
    REQUIRE(star::told<stalled>(verdict) != nullptr);
    CHECK(star::told<stalled>(verdict)->reason == abort_reason::invalid_aggregate);
    CHECK(star::told<stalled>(verdict)->culprit == 0u);
    (void)shares1;
}

TEST_CASE("aggregator: an aggregator waits from the proposal on, and can say for whom while somebody still listens") {
    using star = stage<aggregator>;
    star s{3};  // slot 0 is the aggregator and the initiator of none: slots 1 and 2 approve at once, the aggregator
                // takes its time
    auto const began = s.now;
    auto const nonces1 = star::sent<nonces_body>(s.approve(1));
    s.now += s.bounds.retry_interval * 2;  // longer than those under it wait for it in the end
    (void)s.approve(0);
    s.tell(0, 1, nonces1);
    s.now = began + s.bounds.round_timeout - duration{1};
    CHECK(star::told<aborted>(s.wake(0)) == nullptr);
    s.now += duration{1};
    CHECK(star::told<aborted>(s.wake(1)) == nullptr);
    auto const end = s.wake(0);
    REQUIRE(star::told<aborted>(end) != nullptr);
    CHECK(star::told<aborted>(end)->missing == std::vector<slot>{2});
    auto const heard = s.tell(1, 0, star::sent<abort_body>(end));
    REQUIRE(star::told<aborted>(heard) != nullptr);
    CHECK(star::told<aborted>(heard)->reported_by == 0u);
    CHECK(star::told<aborted>(heard)->missing == std::vector<slot>{2});
}

TEST_CASE("aggregator: an aggregator that approves when others would have given up still waits for them") {
    using star = stage<aggregator>;
    star s{3};
    s.now += s.bounds.round_timeout;  // and nobody has
    (void)s.approve(0);
    CHECK(star::told<aborted>(s.wake(0)) == nullptr);
    s.now += s.bounds.round_timeout;
    CHECK(star::told<aborted>(s.wake(0)) != nullptr);
}

TEST_CASE("aggregator: an aggregator that tells different sums to different signers frames nobody", "[misuse-32]") {
    using star = stage<aggregator>;
    star s{3};
    auto const elected = musig2::portable{}.nonce_gen(s.source, {.key = s.keys[0].signer.public_key()}).value();
    auto const nonces1 = star::sent<nonces_body>(s.approve(1));
    auto const nonces2 = star::sent<nonces_body>(s.approve(2));
    nonces_body const nonces0{{elected.second}};
    contributions all{3};
    all.file(0, nonces0, {});
    all.file(1, nonces1, {});
    all.file(2, nonces2, {});
    auto const transcript = *all.transcript(s.id);
    aggregate_nonces_body const truth{
        transcript,
        {musig2::portable{}.nonce_agg(std::vector{elected.second, nonces1.nonces[0], nonces2.nonces[0]}).value()}};
    aggregate_nonces_body const lie{
        transcript, {musig2::portable{}.nonce_agg(std::vector{elected.second, nonces1.nonces[0]}).value()}};
    s.tell(1, 0, truth);
    auto const honest2 = star::sent<shares_body>(s.tell(2, 0, lie));
    // Slot 2's honest share is of another sum: slot 1 does not add it up, and shows slot 2 what it was told.
    s.tell(1, 0, nonces0);
    s.tell(1, 2, nonces2);
    auto const effects = s.tell(1, 2, honest2);
    CHECK(star::told<stalled>(effects) == nullptr);
    auto const shown = std::count_if(effects.begin(), effects.end(),
                                     [](auto const& e) { return std::holds_alternative<forward_frame>(e); });
    CHECK(shown >= 1);
    auto const verdict = s.tell(2, 0, truth);  // as forwarded: two sums under the aggregator's signature
    CHECK(star::told<stalled>(verdict)->reason == abort_reason::equivocation);
    CHECK(star::told<stalled>(verdict)->culprit == 0u);
    CHECK(s.tell(1, 0, shares_body{contributions::bind_sums(transcript, truth.nonces), {musig2::psig{{1}}}}).size() ==
          1);
    s.now += std::chrono::minutes{2};
    auto const end = s.wake(1);
    CHECK(star::told<stalled>(end)->reason == abort_reason::timeout);
    CHECK_FALSE(star::told<stalled>(end)->culprit);
}

TEST_CASE("aggregator: nonces that differ from the aggregator's transcript blame nobody, the signed frames are shown") {
    using star = stage<aggregator>;
    star s{3};
    auto const elected = musig2::portable{}.nonce_gen(s.source, {.key = s.keys[0].signer.public_key()}).value();
    auto const other1 = musig2::portable{}.nonce_gen(s.source, {.key = s.keys[1].signer.public_key()}).value();
    auto const nonces1 = star::sent<nonces_body>(s.approve(1));
    auto const nonces2 = star::sent<nonces_body>(s.approve(2));
    nonces_body const nonces0{{elected.second}};
    contributions all{3};
    all.file(0, nonces0, {});
    all.file(1, nonces1, {});
    all.file(2, nonces2, {});
    aggregate_nonces_body const honest{
        *all.transcript(s.id),
        {musig2::portable{}.nonce_agg(std::vector{elected.second, nonces1.nonces[0], nonces2.nonces[0]}).value()}};
    auto const bound = contributions::bind_sums(honest.transcript, honest.nonces);
    s.tell(2, 0, honest);
    s.tell(2, 0, nonces0);
    s.tell(2, 1, nonces_body{{other1.second}});  // slot 1 told the aggregator another nonce
    s.tell(2, 0, shares_body{bound, {musig2::psig{{1}}}});
    auto const effects = s.tell(2, 1, shares_body{bound, {musig2::psig{{2}}}});
    CHECK(star::told<stalled>(effects) == nullptr);
    bool const shown = std::any_of(effects.begin(), effects.end(), [](auto const& e) {
        auto const* const f = std::get_if<forward_frame>(&e);
        return f != nullptr && f->to == 0;
    });
    CHECK(shown);  // the aggregator will see two nonces that slot 1 signed
    CHECK(star::told<stalled>(s.tell(2, 1, nonces1))->culprit == 1u);
}

TEST_CASE("a share under nonces that nobody has is missing, and its author is named by that at the deadline") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_shares);
    auto bogus = mesh_stage::sent<shares_body>(s.tell(1, 0, request_body{}));
    auto const honest = mesh_stage::sent<shares_body>(s.tell(2, 0, request_body{}));
    bogus.transcript.octets[0] ^= 1;
    s.tell(0, 1, bogus);
    s.tell(0, 2, honest);
    // Asked again, it is shown the evidence again.
    auto const again = s.tell(0, 1, request_body{});
    CHECK(std::any_of(again.begin(), again.end(),
                      [](auto const& e) { return std::holds_alternative<forward_frame>(e); }));
    s.now += std::chrono::minutes{2};
    auto const end = s.wake(0);
    CHECK(mesh_stage::told<stalled>(end)->missing == std::vector<slot>{1});
}

TEST_CASE("hearsay is not passed on as a finding, and names only signers that exist", "[misuse-32]") {
    mesh_stage s{3};
    s.bring_to(phase::collecting_nonces);
    s.tell(0, 1, abort_body{abort_reason::invalid_share, 4'000'000'000u, "x"});
    CHECK_FALSE(mesh_stage::sent<abort_body>(s.tell(0, 2, request_body{})).culprit);
    mesh_stage t{3};
    t.bring_to(phase::collecting_nonces);
    auto const end = t.tell(0, 1, abort_body{abort_reason::invalid_share, 2, "x"});
    CHECK(mesh_stage::told<aborted>(end)->culprit == 2u);
    CHECK_FALSE(mesh_stage::sent<abort_body>(t.tell(0, 2, request_body{})).culprit);
}

TEST_CASE(
    "aggregator: a signer ignores sums from anyone but the aggregator, and a second sum convicts the aggregator") {
    using star = stage<aggregator>;
    star s{3};
    (void)s.approve(1);
    aggregate_nonces_body const claim{{}, {musig2::aggnonce{{1}}}};
    CHECK(s.tell(1, 2, claim).empty());
    CHECK(s.sessions[1].at() == phase::collecting_nonces);

    star t{3};
    auto const one = t.tell(1, 0, claim);
    CHECK(one.empty());  // kept until we approve
    auto const two = t.tell(1, 0, aggregate_nonces_body{{}, {musig2::aggnonce{{2}}}});
    CHECK(star::told<aborted>(two)->reason == abort_reason::equivocation);
    CHECK(star::told<aborted>(two)->culprit == 0u);
}

TEST_CASE("where nobody is left to broadcast a session goes on asking, also after a dispute, and not for ever") {
    mesh_stage s{2};
    s.bring_to(phase::finished);
    auto& me = s.sessions[0];
    effect_list<session_effect> out;
    CHECK_FALSE(me.next_deadline());  // without a timeout the application decides
    REQUIRE(me.trigger_coordinator_failover(s.now, out));
    s.tell(0, 1, view_change_body{1, 2});
    REQUIRE(me.turns().is_exhausted());
    auto const asks_at = me.next_deadline();
    REQUIRE(asks_at);
    s.now = *asks_at;
    auto const asked = s.wake(0);
    REQUIRE(asked.size() == 1);
    CHECK(is(asked[0], send_frame{std::nullopt, request_body{}}));
    s.tell(0, 1, broadcast_done_body{});
    CHECK(me.is_confirmed());
    CHECK_FALSE(me.next_deadline());
    REQUIRE(me.dispute_broadcast(s.now, out));
    CHECK(me.next_deadline());
    s.now = s.ends;
    (void)s.wake(0);
    CHECK_FALSE(me.next_deadline());
}

}  // namespace session_tests
