# The decoder of x86-64 instructions (third_party/zydis/README.md): its sources, folders of headers and definitions.
set(zydis ${PROJECT_SOURCE_DIR}/third_party/zydis)
file(GLOB zydis_sources CONFIGURE_DEPENDS ${zydis}/zydis/src/*.c)
set(zydis_includes ${zydis}/zydis/include ${zydis}/zydis/src ${zydis}/zycore/include)
set(zydis_definitions ZYDIS_STATIC_BUILD ZYCORE_STATIC_BUILD ZYDIS_DISABLE_ENCODER ZYDIS_DISABLE_FORMATTER
    ZYDIS_DISABLE_SEGMENT ZYDIS_DISABLE_AVX512 ZYDIS_DISABLE_KNC)
