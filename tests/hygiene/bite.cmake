# Plants one offence per rule in a scratch tree and requires that the rule reports it.
cmake_minimum_required(VERSION 3.25)

# expect(<script> <header> <line> <report>): the script fails on a tree with that line, and says so.
function(expect script header line report)
    file(REMOVE_RECURSE "${SCRATCH}")
    file(WRITE "${SCRATCH}/${header}" "${line}\n")
    execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${SCRATCH} -P "${SCRIPTS}/${script}"
        RESULT_VARIABLE code ERROR_VARIABLE output OUTPUT_QUIET)
    string(REGEX REPLACE "[ \n]+" " " output "${output}")
    if(code EQUAL 0 OR NOT output MATCHES "${report}")
        message(SEND_ERROR "${script} let '${line}' in ${header} pass: ${code} ${output}")
    endif()
endfunction()

expect(direction.cmake core/a.hpp "#include <muster/wire/reader.hpp>" "may not include 'wire'")
expect(direction.cmake signing/a.hpp "#include <muster/gossip/router.hpp>" "may not include 'gossip'")
expect(direction.cmake musig2/a.hpp "#include <muster/crypto/detail/a.hpp>" "detail of another folder")
expect(direction.cmake wire/a.hpp "#include <boost/asio/ip/tcp.hpp>" "may not name")
expect(direction.cmake peer/a.hpp "#include <openssl/evp.h>" "may not name")
expect(direction.cmake attic/a.hpp "#pragma once" "not in the table")
expect(direction.cmake sim/a.hpp "#include <muster/signing/session.hpp>" "may not include 'signing'")
expect(direction.cmake sim/a.hpp "#include <muster/sim/signing/run.hpp>" "may not include 'sim/signing'")
expect(direction.cmake sim/gossip/a.hpp "#include <muster/sim/world.hpp>" "not in the table")
expect(purity.cmake core/a.hpp "getentropy(buffer, 32);" "reads the outside world")
expect(purity.cmake signing/a.hpp "getrandom(buffer, 32, 0);" "reads the outside world")
expect(purity.cmake signing/a.hpp "auto t = std::chrono::steady_clock::now();" "reads the outside world")
expect(purity.cmake core/a.hpp "std::random_device d;" "reads the outside world")
expect(purity.cmake libp2p/a.hpp "#include <sys/socket.h>" "reads the outside world")
