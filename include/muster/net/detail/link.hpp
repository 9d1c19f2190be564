// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One TCP connection with a libp2p machine on it: sockets on one side, frames on the other.

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <muster/libp2p/connection.hpp>
#include <muster/net/clock.hpp>
#include <muster/net/frame_stream.hpp>
#include <muster/net/options.hpp>
#include <muster/transport/transport.hpp>

namespace muster::net::detail {

using boost::asio::ip::tcp;
using peer::peer_id;

class link;

/// What a link tells its transport. Calls come from the executor, never from inside a member of the link.
struct link_owner {
    virtual void on_established(std::shared_ptr<link> const& which) = 0;
    virtual void on_frame(link& which, std::string const& protocol, byte_view frame) = 0;
    virtual void on_writable(link& which) = 0;
    /// The peer sends no more on this link once its queue is empty.
    virtual void on_leaving(std::shared_ptr<link> const& which) = 0;
    virtual void on_ended(std::shared_ptr<link> const& which, error const& why) = 0;

protected:
    ~link_owner() = default;
};

/// A connection from its socket to its frames. Lives as long as a handler of it is pending.
class link : public std::enable_shared_from_this<link> {
public:
    link(tcp::socket socket, libp2p::connection machine, bool outbound, transport_options const& options,
         link_owner& owner, instant now)
        : socket_{std::move(socket)},
          machine_{std::move(machine)},
          outbound_{outbound},
          options_{options},
          owner_{&owner},
          began_{now},
          ping_sent_{now} {}

    void start() {
        boost::system::error_code ignored;
        socket_.set_option(tcp::no_delay{true}, ignored);
        flush();
        read();
    }

    [[nodiscard]] bool outbound() const noexcept { return outbound_; }
    [[nodiscard]] instant began() const noexcept { return began_; }
    [[nodiscard]] bool is_established() const noexcept { return established_; }
    [[nodiscard]] bool is_retiring() const noexcept { return retired_.has_value(); }
    [[nodiscard]] peer_id const& peer() const noexcept { return machine_.peer(); }

    /// Sends a frame on the protocol's outbound stream, which is opened when there is none.
    [[nodiscard]] result<void> send(std::string_view protocol, byte_view frame) {
        MUSTER_TRY(auto* const out, stream_for(protocol));
        if (!out->queue.try_push(frame)) {
            out->congested = true;
            return error{transport::errc::congested,
                         text(peer().to_text(), " has ", out->queue.size(), " octets to read first")};
        }
        if (out->ready) pump(*out);
        flush_later();
        return ok();
    }

    /// What time brings: a set-up that takes too long, a ping that is due or unanswered.
    void tick(instant now) {
        if (!established_) {
            if (now - began_ >= options_.setup_timeout) end(failure("the connection was not set up in time"));
            return;
        }
        if (retired_ && now - *retired_ >= options_.setup_timeout) return end(failure("the peer does not let go"));
        if (ping_pending_) {
            if (now - ping_sent_ >= options_.ping_timeout) end(failure("the peer answers no ping; half-open"));
        } else if (now - ping_sent_ >= options_.ping_interval && machine_.ping(++ping_number_)) {
            ping_pending_ = true;
            ping_sent_ = now;
            flush();
        }
    }

    /// Lets go without losing anything: sends what is queued, and goes on receiving until the peer has done the same.
    void retire(instant now) {
        if (retired_) return;
        retired_ = now;
        flush();
    }

    /// Ends the connection and tells the owner, once.
    void end(error const& why) {
        if (!owner_) return;
        auto* const owner = std::exchange(owner_, nullptr);
        close_socket();
        owner->on_ended(shared_from_this(), why);
    }
    /// Ends the connection without a word.
    void abandon() {
        owner_ = nullptr;
        close_socket();
    }

private:
    using stream_id = libp2p::stream_id;

    struct outbound_stream {
        stream_id id;
        bool ready = false;
        bool congested = false;  // a send was refused since
        frame_writer queue;
    };
    struct inbound_stream {
        std::string protocol;
        frame_reader frames;
    };

    [[nodiscard]] static error failure(std::string why) { return {transport::errc::peer_failed, std::move(why)}; }

    void close_socket() {
        boost::system::error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_both, ignored);
        socket_.close(ignored);
    }

    void read() {
        socket_.async_read_some(boost::asio::buffer(input_),
                                [self = shared_from_this()](boost::system::error_code const& ec, std::size_t size) {
                                    self->on_read(ec, size);
                                });
    }

    void on_read(boost::system::error_code const& ec, std::size_t size) {
        if (!owner_) return;
        if (ec) return end(failure(text("connection lost: ", ec.message())));
        outbox<libp2p::connection_event> events;
        machine_.feed(byte_view{input_}.first(size), events);
        handle(events.take());
        flush();
        if (owner_) read();
    }

    /// Writes what the machine has to say; one write at a time, so that its bound on pending output holds.
    void flush() {
        for (bool again = true; again && owner_ && !writing_ && !half_closed_;) {
            if (retired_ && !said_goodbye_ && is_drained()) {
                said_goodbye_ = true;
                machine_.shutdown();
            }
            outbox<libp2p::connection_event> events;
            output_ = machine_.take_output(events);
            writing_ = !output_.empty();
            if (writing_) {
                boost::asio::async_write(socket_, boost::asio::buffer(output_),
                                         [self = shared_from_this()](boost::system::error_code const& ec, std::size_t) {
                                             self->on_written(ec);
                                         });
            }
            again = !events.empty();  // handling them may have made more to say
            handle(events.take());
            // Both sides have sent all they had; only then, since the peer's last octets may need room from us.
            if (said_goodbye_ && they_left_ && !writing_ && !again) half_close();
        }
    }

    [[nodiscard]] bool is_drained() const {
        return std::all_of(outbound_streams_.begin(), outbound_streams_.end(),
                           [](auto const& named) { return named.second.queue.size() == 0; });
    }
    void half_close() {
        half_closed_ = true;
        boost::system::error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
    }

    void on_written(boost::system::error_code const& ec) {
        writing_ = false;
        if (!owner_) return;
        if (ec) return end(failure(text("connection lost: ", ec.message())));
        for (auto& [protocol, out] : outbound_streams_) {
            if (out.ready) pump(out);
        }
        flush();
    }

    // Sends of one turn share a write.
    void flush_later() {
        if (std::exchange(flush_posted_, true)) return;
        boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
            self->flush_posted_ = false;
            self->flush();
        });
    }

    [[nodiscard]] result<outbound_stream*> stream_for(std::string_view protocol) {
        auto const found = outbound_streams_.find(protocol);
        if (found != outbound_streams_.end()) return &found->second;
        MUSTER_TRY(auto const id, machine_.open_stream(protocol));
        flush_later();
        return &outbound_streams_
                    .emplace(protocol, outbound_stream{id, false, false, frame_writer{options_.send_queue_max}})
                    .first->second;
    }

    [[nodiscard]] outbound_stream* find_outbound(stream_id id) {
        for (auto& [protocol, out] : outbound_streams_) {
            if (out.id == id) return &out;
        }
        return nullptr;
    }

    void pump(outbound_stream& out) {
        while (out.queue.size() != 0) {
            auto const taken = machine_.write(out.id, out.queue.front());
            if (!taken || taken.value() == 0) break;
            out.queue.pop(taken.value());
        }
        if (out.congested && out.queue.size() <= options_.send_queue_max / 2) {
            out.congested = false;
            owner_->on_writable(*this);
        }
    }

    void handle(std::vector<libp2p::connection_event> events) {
        for (auto& event : events) {
            if (!owner_) return;
            std::visit([&](auto& e) { on(e); }, event);
        }
    }

    void on(libp2p::established const&) {
        established_ = true;
        owner_->on_established(shared_from_this());
    }
    void on(libp2p::stream_ready const& e) {
        if (e.direction == libp2p::direction::inbound) {
            inbound_streams_.insert_or_assign(e.id, inbound_stream{e.protocol, frame_reader{options_.frame_size_max}});
        } else if (auto* const out = find_outbound(e.id)) {
            out->ready = true;
            pump(*out);
        }
    }
    void on(libp2p::stream_data const& e) {
        auto const found = inbound_streams_.find(e.id);
        machine_.consume(e.id, e.octets.size());
        if (found == inbound_streams_.end()) return;  // nobody answers on our outbound streams
        auto& in = found->second;
        in.frames.feed(e.octets);
        while (owner_) {
            auto const frame = in.frames.next();
            if (!frame) return end(frame.error());
            if (!frame.value()) return;
            owner_->on_frame(*this, in.protocol, *frame.value());
        }
    }
    void on(libp2p::stream_writable const& e) {
        if (auto* const out = find_outbound(e.id)) pump(*out);
    }
    void on(libp2p::stream_half_closed const& e) {
        if (inbound_streams_.erase(e.id) != 0) (void)machine_.close_stream(e.id);
    }
    void on(libp2p::stream_closed const& e) {
        inbound_streams_.erase(e.id);
        for (auto out = outbound_streams_.begin(); out != outbound_streams_.end(); ++out) {
            if (out->second.id != e.id) continue;
            bool const was_congested = out->second.congested;
            outbound_streams_.erase(out);
            if (was_congested) owner_->on_writable(*this);  // what was queued is lost; a new stream is opened
            return;
        }
    }
    void on(libp2p::ping_answered const&) { ping_pending_ = false; }
    void on(libp2p::gone_away const&) {
        they_left_ = true;
        if (!retired_) owner_->on_leaving(shared_from_this());
    }
    void on(libp2p::failed const& e) { end(failure(e.reason.to_text())); }

    tcp::socket socket_;
    libp2p::connection machine_;
    bool outbound_;
    transport_options const& options_;
    link_owner* owner_;
    instant began_;
    bool established_ = false;
    bool writing_ = false;
    bool flush_posted_ = false;
    bool ping_pending_ = false;
    bool said_goodbye_ = false;
    bool they_left_ = false;
    bool half_closed_ = false;
    std::optional<instant> retired_;
    instant ping_sent_;
    std::uint32_t ping_number_ = 0;
    std::array<byte, 64u << 10> input_;
    bytes output_;
    std::map<std::string, outbound_stream, std::less<>> outbound_streams_;
    std::map<stream_id, inbound_stream> inbound_streams_;
};

}  // namespace muster::net::detail
