// SPDX-License-Identifier: MIT

#include <muster/net/libp2p_transport.hpp>
#include <muster/signing/coordinator.hpp>

int main() {
    auto source = muster::crypto::system_random{};
    auto const key = muster::crypto::key_pair::generate(source);
    return key && muster::crypto::is_valid(key.value().public_key()) ? 0 : 1;
}
