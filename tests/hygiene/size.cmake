# Fails when including one header costs more lines, after preprocessing, than its folder's budget.
# Lines are counted because, unlike seconds, they are the same on every machine.
# Usage: cmake -DROOT=<include/muster> -DCXX=<compiler> -P size.cmake
cmake_minimum_required(VERSION 3.25)

# In thousands, with the standard library of g++ 12; that of later releases is larger, and gets half as much again. The
# standard headers that core needs come to 43 alone.
set(core_budget 47)
set(wire_budget 45)
set(cache_budget 30)
set(cache/admission_budget 31)
set(cache/persistence_budget 75)
set(sqlite_budget 75)
set(crypto_budget 55)
set(musig2_budget 65)
set(peer_budget 76)
set(store_budget 55)
set(identity_budget 78)
set(sync_budget 80)
set(transport_budget 80)
set(connection_budget 75)
set(discovery_budget 92)  # a cache, and what its entries are verified by
set(gossip_budget 90)
set(feed_budget 92)
set(signing_budget 85)
set(metrics_budget 62)
set(node_budget 104)  # online: all of discovery over a network
set(libp2p_budget 90)
set(sim_budget 91)
set(sim/connection_budget 100)
set(sim/feed_budget 100)
set(sim/gossip_budget 100)
set(sim/stack_budget 100)  # a coordinator over the whole of libp2p
set(net_budget 170)
set(websocket_budget 215)
set(http_budget 170)
set(prometheus_budget 65)
set(json_budget 150)

execute_process(COMMAND ${CXX} -dumpversion OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
set(per_thousand 1000)
if(version VERSION_GREATER_EQUAL 13)
    set(per_thousand 1500)
endif()

file(GLOB_RECURSE headers RELATIVE "${ROOT}" "${ROOT}/*.hpp")
cmake_path(GET ROOT PARENT_PATH include_root)
foreach(header IN LISTS headers)
    cmake_path(GET header PARENT_PATH folder)
    if(NOT DEFINED ${folder}_budget)
        string(REGEX MATCH "^[^/]+" folder "${header}")
    endif()
    execute_process(
        COMMAND ${CXX} -std=c++20 -E -P -x c++ -I "${include_root}" "${ROOT}/${header}"
        COMMAND wc -l
        OUTPUT_VARIABLE lines OUTPUT_STRIP_TRAILING_WHITESPACE RESULTS_VARIABLE codes ERROR_QUIET)
    if(NOT codes STREQUAL "0;0")
        message(SEND_ERROR "${header}: does not preprocess on its own")
        continue()
    endif()
    math(EXPR limit "${${folder}_budget} * ${per_thousand}")
    if(lines GREATER limit)
        message(SEND_ERROR "${header}: ${lines} lines after preprocessing, budget ${limit}")
    endif()
endforeach()
