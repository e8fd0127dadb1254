# libev brings neither a pkg-config file nor a CMake package. Gives Libev::Libev, Libev_FOUND, Libev_VERSION.

find_path(Libev_INCLUDE_DIR ev.h PATH_SUFFIXES libev)
find_library(Libev_LIBRARY ev)
mark_as_advanced(Libev_INCLUDE_DIR Libev_LIBRARY)

if(Libev_INCLUDE_DIR)
    # ev.h of another library (Xlib's old one, say) has no such lines: then the version stays empty and 4 is refused.
    file(STRINGS "${Libev_INCLUDE_DIR}/ev.h" libev_lines REGEX "define EV_VERSION_M(AJOR|INOR) +[0-9]+")
    string(REGEX REPLACE ".*EV_VERSION_MAJOR +([0-9]+).*EV_VERSION_MINOR +([0-9]+).*" "\\1.\\2" Libev_VERSION
        "${libev_lines}")
    unset(libev_lines)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libev REQUIRED_VARS Libev_LIBRARY Libev_INCLUDE_DIR VERSION_VAR Libev_VERSION)

if(Libev_FOUND AND NOT TARGET Libev::Libev)
    add_library(Libev::Libev UNKNOWN IMPORTED)
    set_target_properties(Libev::Libev PROPERTIES
        IMPORTED_LOCATION "${Libev_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${Libev_INCLUDE_DIR}")
endif()
