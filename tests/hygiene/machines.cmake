# Every header of a pure folder in which something asks to be woken is one of a machine that tests/hygiene/machines.cpp
# checks, or is named here with the reason why its subject is none.
# usage: cmake -DROOT=<include/muster> -DLIST=<machines.cpp> -P machines.cmake
cmake_minimum_required(VERSION 3.20)

set(parts
    core/alarm.hpp                     # keeps time for machines
    core/machine.hpp                   # the contract itself
    cache/persistence/persistent_cache.hpp signing/coordinator.hpp  # compositions
    connection/detail/peer_table.hpp connection/health.hpp  # parts of the manager
    gossip/detail/courier.hpp gossip/detail/inspections.hpp gossip/detail/intake.hpp  # parts of the router
    feed/catch_up.hpp feed/head_vote.hpp feed/intake.hpp feed/peer_scores.hpp feed/pending.hpp
    feed/requester.hpp feed/wanted_blobs.hpp
                                       # parts of the client
    libp2p/network_core.hpp node/attempts.hpp node/notebook.hpp  # compositions
    libp2p/host/dialler.hpp            # part of the host, which has its deadline
    libp2p/service/requests.hpp        # speaks to the host by calls
    peer/reputation.hpp                # a table, whose bans end whether or not it is woken
    signing/broadcast_failover.hpp         # part of a session
    signing/session_store.hpp)         # a container of sessions

file(READ "${LIST}" list)
set(failed FALSE)
file(GLOB_RECURSE headers RELATIVE "${ROOT}" "${ROOT}/*.hpp")
foreach(header IN LISTS headers)
    if(header MATCHES "^(sim|net|websocket|http|prometheus|sqlite|json)/" OR header IN_LIST parts)
        continue()
    endif()
    file(READ "${ROOT}/${header}" text)
    if(text MATCHES "deadline next_deadline\\(\\)" AND NOT list MATCHES "<muster/${header}>")
        message(SEND_ERROR
            "${header}: add its machine to tests/hygiene/machines.cpp, or say in machines.cmake why it is none")
    endif()
endforeach()
