// SPDX-License-Identifier: MIT

// What must not compile, and the sentence that it must be refused with: tests/hygiene/refused.cmake compiles this once
// for each case, and once for none.

#include <muster/signing/options.hpp>
// One case goes through the coordinator itself, which takes some seconds.
#if CASE == 5
#include <muster/signing/coordinator.hpp>
#include <muster/transport/memory_transport.hpp>
#endif

using namespace muster;

#if CASE == 0  // all of this compiles
struct in_a_star : signing::default_options {
    using topology = signing::aggregator;
};
template <class Topology>
struct by_argument : signing::default_options {
    using topology = Topology;
};
struct no_matter_which {};
struct policies_of_a_node : signing::default_options {
    using registry = no_matter_which;
};
static_assert(signing::detail::check_options<signing::default_options>());
static_assert(signing::detail::check_options<in_a_star>());
static_assert(signing::detail::check_options<by_argument<signing::mesh>>());
static_assert(signing::detail::check_options<policies_of_a_node>());
#elif CASE == 1  // derive from signing::default_options
struct wrong {
    using journal = signing::no_journal;
};
#elif CASE == 2  // these options change nothing
struct wrong : signing::default_options {
    using jornal = signing::no_journal;
};
#elif CASE == 3  // the policy `journal` is no journal
struct cannot_erase {
    result<void> load(std::function<void(signing::session_id const&, byte_view)> const&) { return ok(); }
    result<void> put(signing::session_id const&, byte_view) { return ok(); }
};
struct wrong : signing::default_options {
    using journal = cannot_erase;
};
#elif CASE == 4  // the policy `entropy` is no source of secrets
struct never_fails {
    void fill_secret(byte_span) {}
};
struct wrong : signing::default_options {
    using entropy = never_fails;
};
#elif CASE == 5  // the policy `topology` is no topology
struct wrong : signing::default_options {
    using topology = signing::topology_id;
};
#endif

#if CASE == 5
using signer = signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers, manual_clock,
                                    musig2::portable, wrong>;
static_assert(sizeof(signer) > 0);
#elif CASE != 0
static_assert(signing::detail::check_options<wrong>());
#endif
