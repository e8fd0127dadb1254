# llhttp, the HTTP parser. Gives Llhttp::Llhttp and Llhttp_FOUND; the header is <llhttp.h>.
#
# A libllhttp of the system is linked when pkg-config knows one. Else the sources that Debian's node-llhttp installs are
# compiled: Llhttp::Llhttp is then an OBJECT library, and its objects go into whatever archive uses it. They are built
# without our warnings, hidden, and strict: the header's default takes a space before a header's colon, which lets two
# servers disagree about where a request ends. Their functions are renamed to ol__llhttp_...: a program that brings an
# llhttp of its own must not be linked with half of each.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(PC_LLHTTP QUIET IMPORTED_TARGET libllhttp)
endif()

if(PC_LLHTTP_FOUND)
    set(Llhttp_LIBRARY "${PC_LLHTTP_LINK_LIBRARIES}")
    set(Llhttp_VERSION "${PC_LLHTTP_VERSION}")
    set(llhttp_what "${PC_LLHTTP_LINK_LIBRARIES}")
    if(NOT TARGET Llhttp::Llhttp)
        add_library(Llhttp::Llhttp INTERFACE IMPORTED)
        target_link_libraries(Llhttp::Llhttp INTERFACE PkgConfig::PC_LLHTTP)
    endif()
else()
    find_path(Llhttp_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)
    find_path(Llhttp_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH)
    mark_as_advanced(Llhttp_SOURCE_DIR Llhttp_INCLUDE_DIR)
    set(llhttp_what "${Llhttp_SOURCE_DIR}")
    if(Llhttp_SOURCE_DIR AND Llhttp_INCLUDE_DIR AND NOT TARGET llhttp_objects)
        add_library(llhttp_objects OBJECT
            "${Llhttp_SOURCE_DIR}/api.c" "${Llhttp_SOURCE_DIR}/http.c" "${Llhttp_SOURCE_DIR}/llhttp.c")
        target_include_directories(llhttp_objects SYSTEM PUBLIC "${Llhttp_INCLUDE_DIR}")
        target_compile_definitions(llhttp_objects PUBLIC LLHTTP_STRICT_MODE=1)
        target_compile_options(llhttp_objects PRIVATE -w)
        set_target_properties(llhttp_objects PROPERTIES
            C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON EXPORT_COMPILE_COMMANDS OFF)
        set(llhttp_names_h "${CMAKE_CURRENT_BINARY_DIR}/llhttp_names.h")
        set(llhttp_names)
        foreach(file IN ITEMS "${Llhttp_INCLUDE_DIR}/llhttp.h" "${Llhttp_SOURCE_DIR}/api.c"
                "${Llhttp_SOURCE_DIR}/http.c" "${Llhttp_SOURCE_DIR}/llhttp.c")
            file(STRINGS "${file}" lines REGEX "llhttp_[a-z0-9_]+ *\\(")
            string(REGEX MATCHALL "llhttp_[a-z0-9_]+ *\\(" names "${lines}")
            list(APPEND llhttp_names ${names})
        endforeach()
        list(TRANSFORM llhttp_names REPLACE " *\\($" "")
        list(REMOVE_DUPLICATES llhttp_names)
        list(TRANSFORM llhttp_names REPLACE "(.+)" "#define \\1 ol__\\1\n")
        string(JOIN "" llhttp_names ${llhttp_names})
        file(CONFIGURE OUTPUT "${llhttp_names_h}" CONTENT "@llhttp_names@" @ONLY)
        target_compile_options(llhttp_objects PUBLIC "SHELL:-include ${llhttp_names_h}")
        add_library(Llhttp::Llhttp ALIAS llhttp_objects)
    endif()
    if(Llhttp_INCLUDE_DIR)
        file(STRINGS "${Llhttp_INCLUDE_DIR}/llhttp.h" llhttp_lines REGEX "define LLHTTP_VERSION_M(AJOR|INOR) +[0-9]+")
        string(REGEX REPLACE ".*VERSION_MAJOR +([0-9]+).*VERSION_MINOR +([0-9]+).*" "\\1.\\2" Llhttp_VERSION
            "${llhttp_lines}")
        unset(llhttp_lines)
    endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Llhttp REQUIRED_VARS llhttp_what VERSION_VAR Llhttp_VERSION
    REASON_FAILURE_MESSAGE "neither libllhttp (pkg-config) nor the sources of Debian's node-llhttp are there")
unset(llhttp_what)
