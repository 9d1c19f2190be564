// SPDX-License-Identifier: MIT

#include <muster/libp2p/yamux.hpp>

#include <map>
#include <set>

#include <muster/core/hex.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

#include "hosts.hpp"

namespace yamux_tests {

using namespace muster;
using namespace muster::libp2p;
using namespace muster::libp2p::yamux;
// The host has events of these names as well.
using yamux::gone_away;
using yamux::ping_answered;
using yamux::stream_opened;

namespace {

/// The event `data`, with bytes of its own: what was fed is gone when a test looks.
struct payload {
    stream_id id;
    bytes content;
    bool operator==(payload const&) const = default;
};
using news = std::variant<stream_opened, payload, window_opened, half_closed, reset, ping_answered, gone_away>;

/// A sink that makes them own.
struct box {
    void push(yamux::event const& e) {
        std::visit(overloaded{[&](yamux::data const& d) {
                                  kept.push_back(payload{d.id, to_bytes(d.content)});
                              },
                              [&](auto const& other) { kept.push_back(other); }},
                   e);
    }
    std::vector<news> kept;

    [[nodiscard]] std::vector<news> take() { return std::exchange(kept, {}); }
    [[nodiscard]] bool empty() const { return kept.empty(); }
};

/// A session with its output: the same members.
struct kept_session {
    session machine;
    bytes out{};

    auto feed(byte_view in, box& events) { return machine.feed(in, instant{}, out, events); }
    auto open() { return machine.open(out); }
    auto write(stream_id id, byte_view content) { return machine.write(id, content, out); }
    void consume(stream_id id, std::size_t size) { machine.consume(id, size, out); }
    auto close(stream_id id) { return machine.close(id, out); }
    void reset_stream(stream_id id) { machine.reset_stream(id, out); }
    void abandon(stream_id id) { machine.abandon(id, out); }
    auto ping(std::uint32_t opaque) { return machine.ping(opaque, out); }
    void go_away(go_away_code code) { machine.go_away(code, out); }
    [[nodiscard]] std::size_t size() const { return machine.size(); }
    [[nodiscard]] bool contains(stream_id id) const { return machine.contains(id); }
    [[nodiscard]] std::size_t pending() const { return out.size(); }
};

/// A session with what it emitted.
struct end {
    explicit end(role side, options o = {}) : machine{session{side, o}} {}

    kept_session machine;
    box events;

    /// Takes the output, as a socket does.
    bytes output() {
        auto taken = std::exchange(machine.out, {});
        machine.machine.resume(machine.out, events);
        return taken;
    }
    std::vector<news> feed(byte_view in) {
        REQUIRE(machine.feed(in, events));
        return events.take();
    }
    error refuse(byte_view in) { return machine.feed(in, events).error(); }
};

bytes frame(frame_type type, std::uint16_t flags, stream_id id, std::uint32_t length, byte_view payload = {}) {
    bytes out;
    append_header(out, {type, flags, id, length});
    append(out, payload);
    return out;
}
bytes data_frame(stream_id id, byte_view payload, std::uint16_t flags = 0) {
    return frame(frame_type::data, flags, id, static_cast<std::uint32_t>(payload.size()), payload);
}
bytes update(stream_id id, std::uint32_t credit, std::uint16_t flags = 0) {
    return frame(frame_type::window_update, flags, id, credit);
}
bytes operator+(bytes a, bytes const& b) {
    append(a, b);
    return a;
}

using events = std::vector<news>;

}  // namespace

TEST_CASE("yamux: the exact bytes of a stream's life") {
    end a{role::dialer};
    REQUIRE(a.machine.open().value() == 1);
    REQUIRE(a.machine.write(1, as_bytes("hi")).value() == 2);
    REQUIRE(a.machine.close(1));
    CHECK(to_hex(a.output()) ==
          "000100010000000100000000"  // window update, SYN
          "000000000000000100000002"  // data, 2 bytes
          "6869"
          "000000040000000100000000");  // FIN

    end b{role::listener};
    CHECK(b.feed(update(1, 0, flag::syn) + data_frame(1, as_bytes("hi")) + data_frame(1, {}, flag::fin)) ==
          events{stream_opened{1}, payload{1, {'h', 'i'}}, half_closed{1}});
    REQUIRE(b.machine.write(1, as_bytes("yo")).value() == 2);
    CHECK(to_hex(b.output()) ==
          "000000020000000100000002"  // data, ACK on the first frame
          "796f");
    REQUIRE(b.machine.close(1));
    CHECK(to_hex(b.output()) == "000000040000000100000000");
    CHECK(b.machine.size() == 0);
    CHECK(a.feed(data_frame(1, as_bytes("yo"), flag::ack | flag::fin)) ==
          events{payload{1, {'y', 'o'}}, half_closed{1}});
    CHECK(a.machine.size() == 0);
}

TEST_CASE("yamux: ids are odd for the dialer, even for the listener, and SYN may carry data or credit") {
    end a{role::dialer}, b{role::listener};
    CHECK(a.machine.open().value() == 1);
    CHECK(a.machine.open().value() == 3);
    CHECK(b.machine.open().value() == 2);
    CHECK(b.feed(data_frame(1, bytes{9}, flag::syn)) == events{stream_opened{1}, payload{1, {9}}});
    CHECK(b.feed(update(3, 1000, flag::syn)) == events{stream_opened{3}});
    (void)b.output();
    REQUIRE(b.machine.write(3, bytes(window_size + 2000)).value() == window_size + 1000);
}

TEST_CASE("yamux: pings are answered, and only our own answers are news") {
    end a{role::dialer};
    CHECK(a.feed(frame(frame_type::ping, flag::syn, 0, 0xdeadbeef)).empty());
    CHECK(to_hex(a.output()) == "0002000200000000deadbeef");
    CHECK(a.feed(frame(frame_type::ping, flag::ack, 0, 7)).empty());
    REQUIRE(a.machine.ping(7));
    CHECK(to_hex(a.output()) == "000200010000000000000007");
    auto const answer = frame(frame_type::ping, flag::ack, 0, 7);
    CHECK(a.feed(answer + answer) == events{ping_answered{7}});
    for (int i = 0; i < 16; ++i) REQUIRE(a.machine.ping(1));
    CHECK(a.machine.ping(1).error() == errc::flooded);
}

TEST_CASE("yamux: go-away stops new streams and leaves the old ones") {
    end a{role::dialer}, b{role::listener};
    auto const id = a.machine.open().value();
    (void)b.feed(a.output());
    b.machine.go_away(go_away_code::normal);
    CHECK(to_hex(b.output()) == "000300000000000000000000");
    CHECK(a.feed(frame(frame_type::go_away, 0, 0, 0)) == events{gone_away{0}});
    CHECK(a.machine.open().error() == errc::not_established);
    CHECK(a.machine.write(id, bytes{1}).value() == 1);
    CHECK(b.feed(data_frame(id, bytes{1})) == events{payload{id, {1}}});
    CHECK(b.feed(data_frame(3, bytes{1, 2}, flag::syn)) ==
          events{stream_opened{3}, payload{3, {1, 2}}});  // was on its way
    CHECK(b.feed(frame(frame_type::go_away, 0, 0, 0)) == events{gone_away{0}});
    (void)b.output();
    CHECK(b.feed(data_frame(5, bytes{1, 2}, flag::syn)).empty());  // refused, its payload dropped
    CHECK(b.output() == update(5, 0, flag::rst));
}

TEST_CASE("yamux: the window counts payload, opens on consumption, and never on receipt") {
    end a{role::dialer}, b{role::listener};
    auto const id = a.machine.open().value();
    CHECK(a.machine.write(id, bytes(300'000)).value() == window_size);
    CHECK(a.machine.write(id, bytes(1)).value() == 0);
    auto const received = b.feed(a.output());
    CHECK(b.output().empty());  // nobody consumed

    b.machine.consume(id, 1);  // the first answer carries the ACK
    CHECK(b.output() == update(id, 1, flag::ack));
    b.machine.consume(id, window_size / 2 - 1);
    CHECK(b.output().empty());  // less than half a window is not worth a frame
    b.machine.consume(id, 1);
    auto const credit = b.output();
    CHECK(credit == update(id, window_size / 2));
    CHECK(a.feed(credit) == events{window_opened{id}});
    CHECK(a.machine.write(id, bytes(300'000)).value() == window_size / 2);

    (void)b.feed(a.output());
    b.machine.consume(id, SIZE_MAX);  // counts at most what is there
    CHECK(b.output() == update(id, window_size - 1));
    b.machine.consume(id, SIZE_MAX);
    CHECK(b.output().empty());
}

TEST_CASE("yamux: data beyond the window ends the session before it is read") {
    end b{role::listener};
    (void)b.feed(update(1, 0, flag::syn));
    CHECK(b.refuse(frame(frame_type::data, 0, 1, window_size + 1)) == errc::window_exceeded);
    CHECK(b.output() == frame(frame_type::go_away, 0, 0, 1));
    CHECK(b.refuse(bytes(100)) == errc::window_exceeded);
    CHECK(b.machine.open().error() == errc::window_exceeded);
    CHECK(b.machine.size() == 0);
    CHECK(b.output().empty());
}

TEST_CASE("yamux: what the specification forbids ends the session") {
    auto const refused = [](bytes const& in) {
        end b{role::listener};
        (void)b.machine.open().value();
        (void)b.output();
        auto const e = b.refuse(in);
        CHECK(b.output() == frame(frame_type::go_away, 0, 0, 1));
        return e;
    };
    auto const opened = update(1, 0, flag::syn);
    CHECK(refused(bytes{1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}) == errc::violation);  // version
    CHECK(refused(bytes{0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) == errc::violation);  // type
    CHECK(refused(update(4, 0, flag::syn)) == errc::violation);                    // our parity
    CHECK(refused(update(2, 0, flag::syn)) == errc::violation);                    // our stream
    CHECK(refused(update(0, 0, flag::syn)) == errc::violation);
    CHECK(refused(data_frame(0, bytes{1})) == errc::violation);
    CHECK(refused(opened + opened) == errc::violation);                            // twice
    CHECK(refused(opened + update(1, 0, flag::rst) + opened) == errc::violation);  // again
    CHECK(refused(data_frame(1, bytes{1})) == errc::violation);                    // never opened
    CHECK(refused(data_frame(4, bytes{1})) == errc::violation);                    // not yet opened
    CHECK(refused(opened + data_frame(1, {}, flag::fin) + data_frame(1, bytes{1})) == errc::violation);
    CHECK(refused(opened + update(1, 0xffffffff)) == errc::violation);  // 2^32 and more
    CHECK(refused(frame(frame_type::ping, flag::syn, 1, 0)) == errc::violation);
    CHECK(refused(frame(frame_type::go_away, 0, 1, 0)) == errc::violation);
}

TEST_CASE("yamux: frames of a stream that is over are dropped, payload and all") {
    end a{role::dialer};
    auto const id = a.machine.open().value();
    a.machine.reset_stream(id);
    CHECK(a.output() == update(id, 0, flag::syn) + update(id, 0, flag::rst));
    CHECK(a.feed(data_frame(id, bytes(1000), flag::ack) + update(id, 5) + data_frame(id, {}, flag::fin) +
                 update(2, 0, flag::syn)) == events{stream_opened{2}});
    CHECK(a.machine.write(id, bytes{1}).error() == errc::no_such_stream);
    CHECK(a.machine.close(id).error() == errc::no_such_stream);
    a.machine.consume(id, 10);
    a.machine.reset_stream(id);
    CHECK(a.output().empty());

    CHECK(a.feed(data_frame(2, bytes(3), flag::rst) + update(4, 0, flag::syn)) == events{reset{2}, stream_opened{4}});
}

TEST_CASE("yamux: half close leaves the other direction open, and nothing is reset") {
    end a{role::dialer};
    auto const id = a.machine.open().value();
    REQUIRE(a.machine.close(id));
    REQUIRE(a.machine.close(id));
    CHECK(a.machine.write(id, bytes{1}).error() == errc::stream_closed);
    (void)a.output();
    CHECK(a.feed(data_frame(id, bytes{1, 2}, flag::ack)) == events{payload{id, {1, 2}}});
    CHECK(a.machine.contains(id));
    CHECK(a.feed(update(id, 0, flag::fin)) == events{half_closed{id}});
    CHECK_FALSE(a.machine.contains(id));
    CHECK(a.output().empty());
}

TEST_CASE("yamux: an abandoned stream ends without RST, unless the other side never ends") {
    end a{role::dialer};
    auto const id = a.machine.open().value();
    (void)a.output();
    a.machine.abandon(id);
    CHECK(a.output() == data_frame(id, {}, flag::fin));
    CHECK(a.machine.write(id, bytes{1}).error() == errc::no_such_stream);
    SECTION("it finishes") {
        CHECK(a.feed(data_frame(id, bytes(1000), flag::ack) + data_frame(id, bytes(10), flag::fin)).empty());
        CHECK(a.machine.size() == 0);
        CHECK(a.output().empty());
    }
    SECTION("it never does") {
        CHECK(a.feed(data_frame(id, bytes(window_size - 1), flag::ack)).empty());
        CHECK(a.output().empty());
        CHECK(a.feed(data_frame(id, bytes(1))).empty());
        CHECK(a.output() == update(id, 0, flag::rst));
        CHECK(a.machine.size() == 0);
    }
}

TEST_CASE("yamux: streams may be opened a little out of order, and each once") {
    end b{role::listener};
    CHECK(b.feed(update(5, 0, flag::syn) + update(1, 0, flag::syn) + update(3, 0, flag::syn)) ==
          events{stream_opened{5}, stream_opened{1}, stream_opened{3}});
    CHECK(b.refuse(update(3, 0, flag::syn)) == errc::violation);

    end c{role::listener};
    (void)c.feed(update(0x7fff'ffff, 0, flag::syn));
    (void)c.feed(update(0x7fff'ffff - 2 * 256, 0, flag::syn));
    CHECK(c.refuse(update(0x7fff'ffff - 2 * 257, 0, flag::syn)) == errc::violation);
}

TEST_CASE("yamux: one that takes nothing is not answered for ever, whatever it provokes") {
    options o;
    o.output_size_max = 1000;
    o.reply_size_max = 1000;
    kept_session machine{session{role::listener, o}};
    box events;
    bool is_cut = false;
    for (stream_id id = 1; id < 1000 && !is_cut; id += 2) {
        is_cut = !machine.feed(update(id, 0, flag::syn), events);
        machine.reset_stream(id);
    }
    CHECK(is_cut);
    CHECK(machine.pending() < 3000);
}

TEST_CASE("yamux: ids run out and do not come round") {
    for (stream_id last : {0xffff'ffffu, 0xffff'fffeu}) {
        own_ids ids{last};
        CHECK(ids.make().value() == last);
        CHECK(ids.make().error() == errc::too_many_streams);
        CHECK(ids.was_used(last));
        CHECK_FALSE(ids.was_used(last - 1));
    }
}

TEST_CASE("yamux: streams are bounded on both sides") {
    options o;
    o.inbound_streams_max = 3;
    o.ack_backlog_max = 2;
    o.outbound_streams_max = 4;
    end a{role::dialer, o}, b{role::listener, o};
    (void)a.machine.open().value();
    (void)a.machine.open().value();
    CHECK(a.machine.open().error() == errc::too_many_streams);  // backlog
    CHECK(a.feed(update(1, 0, flag::ack) + update(3, 0, flag::ack)).empty());
    (void)a.machine.open().value();
    (void)a.machine.open().value();
    CHECK(a.feed(update(5, 0, flag::ack) + update(7, 0, flag::ack)).empty());
    CHECK(a.machine.open().error() == errc::too_many_streams);  // alive
    CHECK(a.feed(update(1, 0, flag::rst)) == events{reset{1}});
    CHECK(a.machine.open());

    for (stream_id id = 1; id < 7; id += 2) (void)b.feed(update(id, 0, flag::syn));
    CHECK(b.feed(data_frame(7, bytes(100), flag::syn)).empty());
    CHECK(b.output() == update(7, 0, flag::rst));
    CHECK(b.machine.size() == 3);
    CHECK(b.feed(update(1, 0, flag::rst) + update(9, 0, flag::syn)) == events{reset{1}, stream_opened{9}});
}

TEST_CASE("yamux: a peer that provokes answers and takes none is cut off") {
    for (auto const& provocation : {frame(frame_type::ping, flag::syn, 0, 1), bytes{}}) {
        end b{role::listener};
        stream_id id = 1;
        bool cut = false;
        for (int i = 0; i < 200'000 && !cut; ++i, id += 2) {
            cut = !b.machine.feed(provocation.empty() ? update(id, 0, flag::syn) : provocation, b.events);
        }
        CHECK(cut);
        CHECK(b.machine.pending() < 1024 * 1024 + 64 * 1024 + 100);
        CHECK(b.machine.size() == 0);
    }
}

TEST_CASE("yamux: a full output refuses writes and wakes the writers in their order") {
    options o;
    o.output_size_max = 1000;
    end a{role::dialer, o};
    auto const first = a.machine.open().value();
    auto const second = a.machine.open().value();
    CHECK(a.machine.write(second, bytes(5000)).value() == 1000 - 24);
    CHECK(a.machine.write(first, bytes(10)).value() == 0);
    CHECK(a.machine.write(second, bytes(10)).value() == 0);
    CHECK(a.events.empty());
    CHECK(a.output().size() == 1000 + 12);
    CHECK(a.events.take() == events{window_opened{second}, window_opened{first}});
    CHECK(a.output().empty());
    CHECK(a.events.empty());
}

TEST_CASE("yamux: one byte at a time gives the same events") {
    auto const script = update(1, 0, flag::syn) + data_frame(1, as_bytes("hello"), flag::fin) +
                        frame(frame_type::ping, flag::syn, 0, 5) + update(3, 9, flag::syn) + update(3, 0, flag::rst);
    end whole{role::listener}, slow{role::listener};
    auto const at_once = whole.feed(script);
    bytes hello;
    events others;
    for (byte b : script) {
        for (auto const& e : slow.feed({&b, 1})) {
            if (auto const* d = std::get_if<payload>(&e)) {
                append(hello, d->content);
            } else {
                others.push_back(e);
            }
        }
    }
    CHECK(at_once == events{stream_opened{1}, payload{1, to_bytes(as_bytes("hello"))}, half_closed{1}, stream_opened{3},
                            reset{3}});
    CHECK(equal(hello, as_bytes("hello")));
    CHECK(others == events{stream_opened{1}, half_closed{1}, stream_opened{3}, reset{3}});
    CHECK(whole.output() == slow.output());
}

namespace {

/// Two sessions and, per stream and direction, what was written and what arrived.
class model {
public:
    explicit model(std::uint64_t seed) : random_{seed} {}

    void step() {
        auto const side = uniform(random_, 2);
        switch (uniform(random_, 10)) {
            case 0: open(side); break;
            case 1:
            case 2:
            case 3: write(side); break;
            case 4: consume(side, false); break;
            case 5:
                if (uniform(random_, 4) == 0) close(side);
                break;
            case 6:
                if (uniform(random_, 40) == 0) reset_one(side);
                break;
            default: deliver(side);
        }
    }

    /// Delivers and consumes until nothing moves, then closes every stream and requires that all end.
    void settle() {
        for (int round = 0; round < 200; ++round) {
            for (std::size_t side : {0u, 1u}) {
                deliver(side);
                consume(side, true);
            }
        }
        for (auto const& [key, f] : flows_) {
            if (f.written_to_end) CHECK(f.sent == f.received);
        }
        for (std::size_t side : {0u, 1u}) {
            for (auto const id : std::set{alive_[side]}) (void)ends_[side].machine.close(id);
        }
        deliver(0);
        deliver(1);
        deliver(0);
        CHECK(ends_[0].machine.size() == 0);
        CHECK(ends_[1].machine.size() == 0);
        CHECK(moved_ > 0);
    }

private:
    struct flow {
        bytes sent, received;
        std::size_t consumed = 0;
        bool written_to_end = true;  ///< Not cut off by a reset.
    };

    [[nodiscard]] stream_id pick(std::size_t side) {
        if (alive_[side].empty()) return 0;
        auto it = alive_[side].begin();
        std::advance(it, static_cast<std::ptrdiff_t>(uniform(random_, alive_[side].size())));
        return *it;
    }
    /// The flow that @p side writes into.
    [[nodiscard]] flow& written(std::size_t side, stream_id id) { return flows_[{side, id}]; }

    void open(std::size_t side) {
        if (auto const id = ends_[side].machine.open()) alive_[side].insert(id.value());
    }
    void write(std::size_t side) {
        auto const id = pick(side);
        auto const size = uniform(random_, 4) == 0 ? 200'000 : uniform(random_, 300);
        auto const octets = test::noise_of(size, random_());
        auto const accepted = ends_[side].machine.write(id, octets);
        if (!accepted) return;
        auto& f = written(side, id);
        append(f.sent, byte_view{octets}.first(accepted.value()));
        REQUIRE(f.sent.size() - written(side, id).consumed <= window_size);  // never more than one window out
        moved_ += accepted.value();
    }
    void consume(std::size_t side, bool all) {
        auto const consume_one = [&](stream_id id) {
            auto& f = written(1 - side, id);
            auto const have = f.received.size() - f.consumed;
            auto const part = all ? have : uniform(random_, have + 1);
            ends_[side].machine.consume(id, part);
            f.consumed += part;
        };
        if (!all) return consume_one(pick(side));
        for (auto const id : alive_[side]) consume_one(id);
    }
    void close(std::size_t side) {
        if (auto const id = pick(side)) (void)ends_[side].machine.close(id);
        forget(side);
    }
    void reset_one(std::size_t side) {
        auto const id = pick(side);
        if (id == 0) return;
        ends_[side].machine.reset_stream(id);
        cut(id);
        forget(side);
    }
    void cut(stream_id id) {
        written(0, id).written_to_end = false;
        written(1, id).written_to_end = false;
    }
    void forget(std::size_t side) {
        std::erase_if(alive_[side], [&](stream_id id) { return !ends_[side].machine.contains(id); });
    }
    /// Carries @p from's output to the other side, in pieces.
    void deliver(std::size_t from) {
        auto const wire = ends_[from].output();
        auto& to = ends_[1 - from];
        for (byte_view rest{wire}; !rest.empty();) {
            auto const part = rest.first(std::min<std::size_t>(rest.size(), 1 + uniform(random_, 70'000)));
            for (auto const& e : to.feed(part)) receive(1 - from, e);
            rest = rest.subspan(part.size());
        }
        forget(1 - from);
        (void)ends_[from].events.take();  // window_opened
    }
    void receive(std::size_t side, news const& e) {
        if (auto const* opened = std::get_if<stream_opened>(&e)) alive_[side].insert(opened->id);
        if (auto const* arrived = std::get_if<payload>(&e)) {
            auto& f = written(1 - side, arrived->id);
            append(f.received, arrived->content);
            REQUIRE(f.received.size() <= f.sent.size());
            REQUIRE(
                std::equal(f.received.end() - static_cast<std::ptrdiff_t>(arrived->content.size()), f.received.end(),
                           f.sent.begin() + static_cast<std::ptrdiff_t>(f.received.size() - arrived->content.size())));
        }
        if (auto const* ended = std::get_if<reset>(&e)) cut(ended->id);
    }

    splitmix64 random_;
    std::array<end, 2> ends_{end{role::dialer}, end{role::listener}};
    std::array<std::set<stream_id>, 2> alive_;
    std::map<std::pair<std::size_t, stream_id>, flow> flows_;
    std::size_t moved_ = 0;
};

}  // namespace

TEST_CASE("yamux: two sessions under random use deliver every byte in order, once") {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        INFO("seed " << seed);
        model m{seed};
        for (int i = 0; i < 1500; ++i) m.step();
        m.settle();
    }
}

TEST_CASE("yamux: any bytes are survived") {
    splitmix64 random{12};
    for (int round = 0; round < 3000; ++round) {
        end b{role::listener};
        (void)b.machine.open();
        for (int i = 0; i < 20; ++i) {
            auto in = test::noise_of(i % 2 == 0 ? 40 : 0, random());
            in.resize(uniform(random, in.size() + 1));
            if (in.empty()) {
                header h{static_cast<frame_type>(uniform(random, 4)), 0, 0, 0};
                h.flags = static_cast<std::uint16_t>(uniform(random, 16));
                h.stream = static_cast<stream_id>(uniform(random, 5));
                h.length = static_cast<std::uint32_t>(uniform(random, 30));
                append_header(in, h);
            }
            if (!b.machine.feed(in, b.events)) break;
            b.machine.consume(1, 10);
            if (uniform(random, 10) == 0) b.machine.abandon(1);
        }
    }
    SUCCEED();
}

}  // namespace yamux_tests
