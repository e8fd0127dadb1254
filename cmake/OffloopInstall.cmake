# cmake --install: headers, both libraries, offloop.pc, and a CMake package that gives Offloop::offloop (shared) and,
# where the libraries below it are installed, Offloop::offloop_static.

if(NOT TARGET offloop_static OR NOT PROJECT_IS_TOP_LEVEL)
    return()
endif()

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Offloop")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/offloop" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.h")
install(FILES "${PROJECT_SOURCE_DIR}/docs/man/offloop.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
install(TARGETS offloop_shared EXPORT OffloopTargets)
install(TARGETS offloop_static EXPORT OffloopStaticTargets)
install(EXPORT OffloopTargets NAMESPACE Offloop:: DESTINATION "${package_dir}")
install(EXPORT OffloopStaticTargets NAMESPACE Offloop:: DESTINATION "${package_dir}")

# Packaged llhttp sources are inside the archive; a system libllhttp has to be linked by the user of the archive.
get_target_property(llhttp_type Llhttp::Llhttp TYPE)
if(llhttp_type STREQUAL "OBJECT_LIBRARY")
    set(OFFLOOP_NEEDS_LLHTTP FALSE)
    set(OFFLOOP_PC_LLHTTP "")
else()
    set(OFFLOOP_NEEDS_LLHTTP TRUE)
    set(OFFLOOP_PC_LLHTTP " -lllhttp")
    install(FILES "${PROJECT_SOURCE_DIR}/cmake/FindLlhttp.cmake" DESTINATION "${package_dir}")
endif()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/OffloopConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/cmake/OffloopConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cmake/OffloopConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/cmake/OffloopConfig.cmake"
    "${PROJECT_BINARY_DIR}/cmake/OffloopConfigVersion.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/FindLibev.cmake"
    DESTINATION "${package_dir}")

# Paths relative to the file itself where they can be: `cmake --install --prefix` may still choose another prefix.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(OFFLOOP_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
    set(OFFLOOP_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
    set(OFFLOOP_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
    file(RELATIVE_PATH to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
    set(OFFLOOP_PC_PREFIX "\${pcfiledir}/${to_prefix}")
    set(OFFLOOP_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(OFFLOOP_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/offloop.pc.in" "${PROJECT_BINARY_DIR}/cmake/offloop.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cmake/offloop.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
