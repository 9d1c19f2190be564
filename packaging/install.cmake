# Install rules: headers, one export per component, a package file that loads components on demand, pkg-config.

set(config_dir ${CMAKE_INSTALL_DATADIR}/cmake/muster)

file(CONFIGURE OUTPUT muster-config.cmake @ONLY CONTENT [=[
# find_package(muster COMPONENTS signing net): loads the components asked for and what they need.
include(CMakeFindDependencyMacro)
file(GLOB _muster_files "${CMAKE_CURRENT_LIST_DIR}/muster-needs-*.cmake")
foreach(_muster_file IN LISTS _muster_files)
    include("${_muster_file}")
endforeach()
if(NOT muster_FIND_COMPONENTS)
    set(muster_FIND_COMPONENTS signing)
endif()
set(_muster_todo ${muster_FIND_COMPONENTS})
set(_muster_order)
while(_muster_todo)
    list(POP_FRONT _muster_todo _muster_c)
    list(REMOVE_ITEM _muster_order ${_muster_c})
    list(PREPEND _muster_order ${_muster_c})
    list(APPEND _muster_todo ${_muster_needs_${_muster_c}})
endwhile()
foreach(_muster_c IN LISTS _muster_order)
    if(NOT EXISTS "${CMAKE_CURRENT_LIST_DIR}/muster-${_muster_c}.cmake")
        if(muster_FIND_REQUIRED_${_muster_c} OR NOT _muster_c IN_LIST muster_FIND_COMPONENTS)
            set(muster_FOUND FALSE)
            set(muster_NOT_FOUND_MESSAGE "muster was installed without component '${_muster_c}'")
        endif()
        continue()
    endif()
    foreach(_muster_d IN LISTS _muster_external_${_muster_c})
        if(_muster_d STREQUAL "Boost::headers")
            find_dependency(Boost 1.81)
        elseif(_muster_d STREQUAL "OpenSSL::Crypto")
            find_dependency(OpenSSL 3.0 COMPONENTS Crypto)
        elseif(_muster_d STREQUAL "Threads::Threads")
            find_dependency(Threads)
        elseif(_muster_d STREQUAL "SQLite::SQLite3")
            find_dependency(SQLite3 3.31)
        elseif(_muster_d STREQUAL "PkgConfig::prometheus_cpp" AND NOT TARGET PkgConfig::prometheus_cpp)
            find_dependency(PkgConfig)
            pkg_check_modules(prometheus_cpp REQUIRED IMPORTED_TARGET prometheus-cpp-core>=1.0)
        elseif(_muster_d STREQUAL "nlohmann_json::nlohmann_json")
            find_dependency(nlohmann_json 3.11)
        elseif(_muster_d STREQUAL "PkgConfig::secp256k1" AND NOT TARGET PkgConfig::secp256k1)
            find_dependency(PkgConfig)
            pkg_check_modules(secp256k1 REQUIRED IMPORTED_TARGET libsecp256k1>=0.2.0)
        endif()
    endforeach()
    if(NOT TARGET muster::${_muster_c})
        include("${CMAKE_CURRENT_LIST_DIR}/muster-${_muster_c}.cmake")
    endif()
    set(muster_${_muster_c}_FOUND TRUE)
endforeach()
]=])
write_basic_package_version_file(muster-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

# What each component needs, taken from the targets themselves so that it cannot drift.
get_directory_property(targets BUILDSYSTEM_TARGETS)
foreach(target IN LISTS targets)
    get_target_property(component ${target} EXPORT_NAME)
    if(NOT component OR NOT TARGET muster::${component})
        continue()
    endif()
    get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
    set(needs)
    set(external)
    foreach(link IN LISTS links)
        if(link MATCHES "^muster::(.+)$")
            list(APPEND needs ${CMAKE_MATCH_1})
        elseif(link)
            list(APPEND external ${link})
        endif()
    endforeach()
    file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/needs/muster-needs-${component}.cmake"
        "set(_muster_needs_${component} ${needs})\nset(_muster_external_${component} ${external})\n")
endforeach()

file(CONFIGURE OUTPUT muster.pc @ONLY CONTENT [=[
prefix=${pcfiledir}/../..
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: muster
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Requires: libcrypto >= 3.0, libsecp256k1 >= 0.2.0
Cflags: -I${includedir} -pthread
Libs: -pthread
]=])

install(DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/needs/" DESTINATION ${config_dir})
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/muster-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/muster-config-version.cmake" DESTINATION ${config_dir})
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/muster.pc" DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/muster)
