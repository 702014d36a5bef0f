/* SPDX-License-Identifier: MIT */
/*
 * Libraries that are loaded on demand. The program is linked with the libraries that every attach
 * needs. A library that only some need (for example to read a URI) is loaded on demand, because
 * loading costs time and locked memory.
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct library_symbol {
	const char *name;
	void *address; /* address of the function pointer to set */
};

#define LIBRARY_SYMBOL(symbol, pointer)                 \
	{                                               \
		.name = (symbol), .address = &(pointer) \
	}

/*
 * Notes in the program that it may load `soname`, for what makes initramfs images and packages
 * (uapi-group.org/specifications: ELF dlopen metadata). Once for each library, in a .c file.
 */
#define LIBRARY_NOTE(soname, feature, description)                                                \
	static const struct {                                                                     \
		uint32_t name_size, text_size, type;                                              \
		char name[4];                                                                     \
		_Alignas(                                                                         \
		    uint32_t) char text[sizeof(LIBRARY_NOTE_TEXT(soname, feature, description))]; \
	} library_note __attribute__((used, aligned(4), section(".note.dlopen"))) = {             \
	    .name_size = 4,                                                                       \
	    .text_size = sizeof(LIBRARY_NOTE_TEXT(soname, feature, description)),                 \
	    .type = 0x407c0c0a,                                                                   \
	    .name = "FDO",                                                                        \
	    .text = LIBRARY_NOTE_TEXT(soname, feature, description)}

#define LIBRARY_NOTE_TEXT(soname, feature, description)                                            \
	"[{\"soname\":[\"" soname "\"],\"feature\":\"" feature "\",\"description\":\"" description \
	"\",\"priority\":\"recommended\"}]"

/*
 * Loads `soname`, which stays until the process ends, and sets the n pointers; a second call finds
 * it loaded. Opens files and so may block. Returns 0, or -ENOENT with an ERR_SYSTEM sentence if the
 * library is missing or lacks a symbol; some pointers may be set then.
 */
int library_load(const char *soname, const struct library_symbol *symbols, size_t n,
		 struct err *err);

#endif
