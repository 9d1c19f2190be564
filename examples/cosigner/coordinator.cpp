// SPDX-License-Identifier: MIT

#include "composition.hpp"

template class muster::signing::coordinator<cosigner::network, cosigner::policies::registry,
                                            cosigner::co_signer::alarm_type::line, cosigner::policies::clock,
                                            cosigner::policies::backend, cosigner::policies>;
template class muster::node::node<cosigner::policies>;
template class muster::node::pubsub<cosigner::network, cosigner::timer_line, cosigner::clock,
                                    cosigner::gossip_policies>;
template class muster::node::signer_discovery<cosigner::network, cosigner::pubsub, cosigner::directory,
                                              cosigner::timer_line, cosigner::clock>;
template class muster::node::signing_requests<cosigner::network, cosigner::pubsub, cosigner::timer_line,
                                              cosigner::clock>;
template class muster::node::notice_exchange<cosigner::network, cosigner::pubsub, cosigner::presence_board,
                                             cosigner::timer_line, cosigner::clock>;
