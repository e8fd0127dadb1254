/*
 * base/sanitize.h: which sanitizer is this built with? gcc and clang say it differently.
 */
#ifndef OL_BASE_SANITIZE_H
#define OL_BASE_SANITIZE_H

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define OL_WITH_ASAN 1
#else
#define OL_WITH_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define OL_WITH_TSAN 1
#else
#define OL_WITH_TSAN 0
#endif

#endif
