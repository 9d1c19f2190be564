# Fails when a header of a pure folder reads the outside world.
# Usage: cmake -DROOT=<include/muster> -P purity.cmake
cmake_minimum_required(VERSION 3.25)

set(adapters net websocket http)
set(ask_the_system core/system_seed.hpp crypto/system_random.hpp crypto/hedged_random.hpp)  # on purpose
string(CONCAT forbidden
    "steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|std::time\\(|"
    "std::thread|std::jthread|std::async|pthread_create|sleep_for|sleep_until|usleep|"
    "random_device|getentropy|getrandom|mt19937|_distribution<|[^_a-z]rand\\(\\)|"
    "sys/socket|netinet|boost/asio|<iostream>|std::cout|std::cerr|getenv")

file(GLOB_RECURSE headers RELATIVE "${ROOT}" "${ROOT}/*.hpp")
foreach(header IN LISTS headers)
    string(REGEX MATCH "^[^/]+" folder "${header}")
    if(NOT folder IN_LIST adapters AND NOT header IN_LIST ask_the_system)
        file(STRINGS "${ROOT}/${header}" impure REGEX "${forbidden}")
        if(impure)
            message(SEND_ERROR "${header}: reads the outside world: ${impure}")
        endif()
    endif()
endforeach()
