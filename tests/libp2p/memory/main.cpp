// SPDX-License-Identifier: MIT

// What strangers make a libp2p node hold, by operator new, which is replaced here by one that counts: whatever the node
// allocates while one of its sockets or turns is handled is its own, until it is freed. A program of its own, without
// sanitizers, since they replace it too.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>

#include <support/hosts_in_sim.hpp>

namespace {

/// In front of each block.
struct alignas(16) tag {
    std::size_t size;
    bool is_ours;
};
bool is_ours = false;  // what is allocated now
std::size_t held = 0;
std::size_t most = 0;

void* allocate(std::size_t size) {
    auto* const t = static_cast<tag*>(std::malloc(size + sizeof(tag)));
    if (t == nullptr) throw std::bad_alloc{};
    *t = {size, is_ours};
    if (is_ours) held += size;
    if (held > most) most = held;
    return t + 1;
}
void release(void* block) noexcept {
    if (block == nullptr) return;
    auto* const t = static_cast<tag*>(block) - 1;
    if (t->is_ours) held -= t->size;
    std::free(t);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// Sockets whose user is the node under test.
class counted_sockets : public sim::sockets {
public:
    counted_sockets(sim::sockets s) : sim::sockets{std::move(s)} {}

    void attach(libp2p::socket_user* user) {
        tap_->user = user;
        sim::sockets::attach(user == nullptr ? nullptr : tap_.get());
    }

private:
    struct tap final : libp2p::socket_user {
        libp2p::socket_user* user = nullptr;
        void on_socket(libp2p::socket_event const& e) override {
            bool const before = std::exchange(is_ours, true);
            user->on_socket(e);
            is_ours = before;
        }
        void on_turn() override {
            bool const before = std::exchange(is_ours, true);
            user->on_turn();
            is_ours = before;
        }
    };
    std::shared_ptr<tap> tap_ = std::make_shared<tap>();
};
using node = test::basic_node<counted_sockets>;

/// A node, a stranger, and what is counted of it.
struct rig {
    explicit rig(libp2p::host_options o = {}) : us{w, 0, "10.0.0.1", std::move(o)} {
        us.wire.attach("/taken/1", [](transport::event const&) {});
    }

    test::outsider& meet(std::size_t i) {
        all.push_back(std::make_unique<test::outsider>(w, 100 + i, text("10.", 1 + i / 200, ".", i % 200, ".1")));
        auto& s = *all.back();
        ids.push_back(s.open(us.where, true));
        w.pass(200ms);
        return s;
    }
    void start_counting() {
        begin = held;
        most = held;
    }
    [[nodiscard]] std::size_t peak() const { return most - begin; }
    [[nodiscard]] std::size_t kept() const { return held > begin ? held - begin : 0; }

    test::world_of_hosts w;
    node us;
    std::vector<std::unique_ptr<test::outsider>> all;
    std::vector<libp2p::socket_id> ids;
    std::size_t begin = 0;
};

constexpr std::size_t slack = 1u << 20;  // what one turn works with
int failures = 0;

void expect(char const* what, std::size_t bytes, std::size_t bound) {
    std::printf("%-66s %10zu bytes, at most %10zu%s\n", what, bytes, bound, bytes <= bound ? "" : "  TOO MUCH");
    failures += bytes <= bound ? 0 : 1;
}
void expect_served(rig& r) {
    if (test::serves(r.w, r.us, 10, 100)) return;
    std::printf("an honest peer is not served\n");
    ++failures;
}

void idle_connections() {
    rig r;
    r.start_counting();
    for (std::size_t i = 0; i < 100; ++i) (void)r.meet(i);
    r.w.pass(5s);
    expect("an idle connection", r.kept() / 100, 24u << 10);
}

void empty_frames() {
    rig r;
    for (std::size_t i = 0; i < 20; ++i) (void)r.meet(i);
    r.start_counting();
    std::vector<libp2p::stream_id> streams;
    for (std::size_t i = 0; i < 20; ++i)
        streams.push_back(r.all[i]->machines.at(r.ids[i]).open_stream("/taken/1").value());
    for (std::size_t i = 0; i < 20; ++i) r.all[i]->flush(r.ids[i]);
    r.w.pass(1s);
    for (std::size_t i = 0; i < 20; ++i) {
        (void)r.all[i]->machines.at(r.ids[i]).write(streams[i], bytes(65'000));
        r.all[i]->flush(r.ids[i]);
    }
    r.start_counting();
    r.w.pass(2s);
    expect("frames of no bytes, 65,000 from each of 20", r.peak(),
           2 * 20 * 65'000 + slack);  // as it came, and as it waits
    expect("and afterwards", r.kept(), slack);
}

void unfinished(char const* what, char const* protocol) {
    rig r;
    transport::request_options large;
    large.request_size_max = 1u << 20;
    r.us.wire.serve("/large/1", large, [](transport::asked const&) {});
    auto& s = r.meet(0);
    auto& m = s.machines.at(r.ids[0]);
    std::vector<libp2p::stream_id> streams;
    for (int i = 0; i < 60; ++i) streams.push_back(m.open_stream(protocol).value());
    s.flush(r.ids[0]);
    r.w.pass(1s);
    r.start_counting();
    bytes part(60'000);
    part[0] = part[1] = 0xff;
    part[2] = 0x03;
    for (int round = 0; round < 10; ++round) {
        for (auto const stream : streams) (void)m.write(stream, part);
        s.flush(r.ids[0]);
        r.w.pass(200ms);
    }
    expect(what, r.peak(), 2 * libp2p::host_options{}.connection_buffer_max + slack);  // a vector that grows
    expect_served(r);
}

void answers_that_nobody_reads() {
    rig r;
    std::size_t answered = 0;
    r.us.wire.serve("/big/1", {}, [&](transport::asked const& q) {
        answered += r.us.wire.answer(q.id, bytes(262'144 + 100)) ? 1u : 0u;
    });
    auto& s = r.meet(0);
    auto& m = s.machines.at(r.ids[0]);
    r.start_counting();
    for (int i = 0; i < 64; ++i) {  // what a window admits is taken, and never consumed
        auto const stream = m.open_stream("/big/1").value();
        (void)m.close_stream(stream, s.unread);
        s.flush(r.ids[0]);
        r.w.pass(100ms);
        s.seen = {};
    }
    expect("answers of which all but the end is taken", r.kept(), libp2p::host_options{}.connection_buffer_max + slack);
    if (answered == 0) ++failures;
}

void bursts() {
    rig r;
    auto& s = r.meet(0);
    auto& m = s.machines.at(r.ids[0]);
    bytes burst;
    for (int k = 0; k < 255; ++k) {
        burst.push_back(0xe8);
        burst.push_back(0x07);
        burst.resize(burst.size() + 1000);
    }
    r.start_counting();
    for (int i = 0; i < 64; ++i) {
        auto const stream = m.open_stream("/taken/1").value();
        s.flush(r.ids[0]);
        r.w.pass(200ms);
        (void)m.write(stream, burst);
        s.flush(r.ids[0]);
        r.w.pass(100ms);
    }
    r.w.pass(5s);
    expect("a burst of frames on each of 64 streams, when it is over", r.kept(), slack);
}

void crowds_that_read_nothing() {
    libp2p::host_options o;
    o.buffers_max = 8u << 20;
    rig r{o};
    r.us.wire.serve("/big/1", {}, [&](transport::asked const& q) {
        for (std::size_t size = 1u << 20; size > 50; size /= 2) {
            if (r.us.wire.answer(q.id, bytes(size - 40))) return;
        }
        r.us.wire.refuse(q.id);
    });
    for (std::size_t i = 0; i < 40; ++i) (void)r.meet(i);
    r.start_counting();
    for (std::size_t i = 0; i < 40; ++i) {
        auto& m = r.all[i]->machines.at(r.ids[i]);
        libp2p::socket_effect e{libp2p::pause_reading{r.ids[i]}};
        std::vector<libp2p::stream_id> streams;
        for (int k = 0; k < 20; ++k) streams.push_back(m.open_stream("/big/1").value());
        r.all[i]->flush(r.ids[i]);
        r.w.pass(45ms);
        r.all[i]->wires.perform(e);
        for (auto const stream : streams) (void)m.close_stream(stream, r.all[i]->unread);
        r.all[i]->flush(r.ids[i]);
        r.w.pass(50ms);
    }
    expect("answers to 40 peers that read nothing", r.peak(), 2 * o.buffers_max + slack);
    expect_served(r);
}

}  // namespace

int main() {
    idle_connections();
    empty_frames();
    unfinished("frames that are never finished", "/taken/1");
    unfinished("questions that are never finished", "/large/1");
    answers_that_nobody_reads();
    bursts();
    crowds_that_read_nothing();
    return failures == 0 ? 0 : 1;
}
