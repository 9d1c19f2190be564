// SPDX-License-Identifier: MIT

#include "peer_command.hpp"

namespace cosigner {

using muster::error;
using muster::text;

value json_of_peers(settings const& s) {
    auto list = value::array();
    lines said;
    for (auto const& [name, address] : s.peers) {
        list.push_back(value{{"name", name}, {"address", address.to_text()}});
        said.push_back(text(name, "=", address.to_text()));
    }
    if (said.empty()) said.push_back("no peers; `cosigner peer add DIR NAME=ADDRESS` adds one");
    return {{"event", "peers"}, {"peers", std::move(list)}, {"text", joined(said)}};
}

result<value> change_settings(settings& s, peer_request const& what, muster::peer::peer_id const& self) {
    if (what.command == "peer_remove") {
        MUSTER_TRY(remove_peer(s, what.peer));
        return value{{"event", "peer_removed"}, {"name", what.peer}, {"text", text("removed ", what.peer)}};
    }
    MUSTER_TRY(auto peer, parse_peer(what.peer));
    if (peer.second.peer() == self) {
        return error{errc::bad_input, text(self.to_text(), " is this co-signer itself; hand its line to the others")};
    }
    value said{{"event", "peer_added"},
               {"name", peer.first},
               {"address", peer.second.to_text()},
               {"text", text("added ", peer.first, " at ", peer.second.to_text())}};
    MUSTER_TRY(add_peer(s, std::move(peer)));
    return said;
}

}  // namespace cosigner
