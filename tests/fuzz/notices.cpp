// SPDX-License-Identifier: MIT

/// @file
/// Requests for signatures, presences, and pages of notices: as they come, and with a payload of the fuzzer's that is
/// signed; boards take them.

#include <muster/discovery/notice_board.hpp>
#include <muster/discovery/notice_pages.hpp>
#include <muster/discovery/presence_advertisement.hpp>
#include <muster/discovery/request_advertisement.hpp>

#include <support/advertisements.hpp>

#include "fuzz.hpp"

using namespace muster;
using discovery::presence_advertisement;
using discovery::request_advertisement;

namespace {

constexpr timestamp now = test::at(1);

peer::key_set const& keys() {
    static auto const instance = test::node_keys(1);
    return instance;
}

template <class N>
void take(byte_view content) {
    static discovery::notice_board<discovery::notice_listing<N>> board{{.entries_max = 16}};
    effect_list<typename discovery::notice_board<discovery::notice_listing<N>>::event> told;
    auto const claim = N::read(content, now);
    auto const filed = board.take(content, keys().node.id(), discovery::source::gossip, now, told);
    if (filed) fuzz::require(claim && content.size() <= N::size_max);
    if (filed && filed.value() == discovery::filing::discovered) {
        fuzz::require(board.find(claim.value().key(), now)->what == claim.value());
    }
    fuzz::require(board.size(now) <= 16);
}

/// What opens has one spelling.
template <class N>
void sign_and_take(byte_view payload) {
    auto const content = peer::envelope::seal(N::purpose_of_envelope(), payload, keys().node);
    if (!content) return;
    if (auto const opened = N::open(content.value(), now)) {
        auto const again = opened.value()->seal(keys().node).value();
        fuzz::require(equal(peer::envelope::open(again, N::purpose_of_envelope()).value()->payload(), payload));
    }
    take<N>(content.value());
}

/// What is read is written alike, but for a length that is longer than it need be.
void read_page(byte_view content) {
    auto const page = discovery::read_page(content, 1024);
    if (!page) return;
    discovery::page_writer out{content.size() + 16 * page.value().sealed.size()};
    for (auto const& s : page.value().sealed) (void)out.add(s);
    auto const again = discovery::read_page(out.take(), 1024);
    fuzz::require(static_cast<bool>(again));
    fuzz::require(!again.value().has_more && again.value().sealed.size() <= page.value().sealed.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size > 2'048) return 0;
    fuzz::input in{data, size};
    switch (in.below(5)) {
        case 0: take<request_advertisement>(in.rest()); break;
        case 1: sign_and_take<request_advertisement>(in.rest()); break;
        case 2: take<presence_advertisement>(in.rest()); break;
        case 3: sign_and_take<presence_advertisement>(in.rest()); break;
        default: read_page(in.rest()); break;
    }
    return 0;
}
