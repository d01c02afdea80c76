/* plain_data.h: plain Python values as bytes, for the attributes of a dumped snapshot.
 *
 * A value is one byte of tag and the tag's content; lengths and counts are unsigned LEB128 (at most 10 bytes), numbers
 * little-endian:
 *
 *   0  None
 *   1  True                      2  False
 *   3  int        length, two's complement
 *   4  float      8 bytes IEEE 754
 *   5  complex    two floats' 16 bytes
 *   6  str        length, UTF-8; lone surrogates as Python's "surrogatepass" writes them
 *   7  bytes      length, bytes
 *   8  bytearray  length, bytes
 *   9  tuple      count, values    10  list       count, values
 *   11 dict       count, pairs     12 set         count, values
 *   13 frozenset  count, values
 *
 * Only these exact types are plain, no subclasses. Values nest at most PYCTM_PLAIN_DEPTH deep; a container inside
 * itself is refused. An object that occurs twice is written twice. Decoding treats its input as hostile: tags, lengths,
 * counts, depth and the end are checked before anything is allocated for them, and no code is run.
 */
#ifndef PYCTM_TYPES_PLAIN_DATA_H
#define PYCTM_TYPES_PLAIN_DATA_H

#include "types/types.h"

#define PYCTM_PLAIN_DEPTH 100

/* A buffer of encoded bytes, in libc memory. Initially all zero; freed by pyctm_plain_free. */
typedef struct pyctm_plain {
    unsigned char *bytes; /* owned */
    size_t length, room;  /* bytes in use; allocated bytes */
} pyctm_plain;

/* Appends the start of a dict whose `count` pairs follow: for the outermost dict, before its pairs. */
int pyctm_plain_dict_begin(pyctm_plain *out, size_t count);
/* Appends the value. -1: MemoryError; or TypeError or ValueError that names what is not plain
 * ("objects of type 'socket' are not plain data"). */
int pyctm_plain_encode(pyctm_plain *out, PyObject *value);
void pyctm_plain_free(pyctm_plain *out);

/* Decodes one value, which must fill all of `bytes`. NULL: error->reason is set, or, if it is NULL, an exception such
 * as MemoryError is. error->offset counts from the start of `bytes`. */
PyObject *pyctm_plain_decode(const void *bytes, size_t length, ctm_file_error *error);

#endif
