// SPDX-License-Identifier: MIT

#include <support/machines.hpp>

using namespace muster;

template class signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers, manual_clock,
                                    musig2::portable, test::predictable_options<signing::mesh>>;
template class signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers, manual_clock,
                                    musig2::portable, test::predictable_options<signing::aggregator>>;
template class signing::coordinator<transport::memory_transport, signing::static_registry, no_timers, manual_clock,
                                    musig2::portable, test::predictable_options<signing::mesh>>;
template class signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers, manual_clock,
                                    musig2::portable, test::journalled<signing::mesh>>;
template class signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers, manual_clock,
                                    musig2::portable, test::journalled<signing::aggregator>>;
