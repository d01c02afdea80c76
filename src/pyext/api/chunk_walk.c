/* chunk_walk.c: adds up the chunks of a heap of glibc's malloc, of this process or of another one.
 *
 * Model: a heap is a row of chunks. Each begins with the size of the chunk before it (only if that is free) and its own
 * size, whose lowest bits are flags; the next chunk begins behind it and says whether this one is in use. The words are
 * read with pread() from /proc/PID/mem in blocks, so memory that is gone is an error and no crash. Nothing read is
 * trusted: the walk ends at the first thing that is no chunk, and the caller decides what that means.
 *
 * Of each chunk only the bytes in resident pages count. The caller gives these pages, as pairs of addresses in their
 * order; both rows are followed together. Of another process nothing else is read: that would make it resident.
 *
 * The GIL is held: when the process reads itself, its threads do not run Python meanwhile. The walk takes no memory of
 * malloc's, which would change the very heap that it walks through.
 */
#include "api/module.h"

#if !defined(Py_GIL_DISABLED)

#include <string.h>
#include <unistd.h>

#define BLOCK ((size_t)1 << 14) /* bytes of one read; on the stack */
#define HEADER 16               /* bytes of a chunk's two words */
#define SMALLEST 32             /* bytes of the smallest chunk */
#define PREVIOUS_IN_USE 1U
#define MMAPPED 2U
#define FLAGS 7U

typedef struct {
    const uint64_t *runs; /* borrowed: pairs of addresses */
    size_t count, next;   /* numbers of words */
} resident_pages;

typedef struct {
    int fd;
    bool reads_all;         /* also pages that are not in the list: the process reads itself */
    uint64_t address, size; /* what of the memory is in `block` */
    unsigned char block[BLOCK];
} reader;

typedef struct {
    uint64_t in_use, free; /* resident bytes */
    uint64_t last, last_resident;
    uint64_t chunks;
} chunk_sums;

/* Where the resident memory that contains the address ends; `address`: it is not resident. */
static uint64_t resident_end(const resident_pages *pages, uint64_t address)
{
    uint64_t end = address;
    for (size_t i = pages->next; i < pages->count && pages->runs[i] <= end; i += 2) {
        end = pages->runs[i + 1] > end ? pages->runs[i + 1] : end;
    }
    return end;
}

/* Reads a chunk's two words. False: the memory cannot be read. */
static bool read_header(reader *from, const resident_pages *pages, uint64_t address, uint64_t end,
                        uint64_t words[2])
{
    if (address < from->address || address + HEADER > from->address + from->size) {
        const uint64_t stop = from->reads_all ? end : resident_end(pages, address);
        const uint64_t left = (stop < end ? stop : end) - address;
        const ssize_t got =
            pread(from->fd, from->block, left < BLOCK ? (size_t)left : BLOCK, (off_t)address);
        from->address = address;
        from->size = got > 0 ? (uint64_t)got : 0;
        if (from->size < HEADER) {
            return false;
        }
    }
    memcpy(words, from->block + (address - from->address), HEADER);
    return true;
}

/* Resident bytes of [start, end), which begins where the last range ended. */
static uint64_t resident_of(resident_pages *pages, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    while (pages->next < pages->count && pages->runs[pages->next] < end) {
        const uint64_t low = pages->runs[pages->next], high = pages->runs[pages->next + 1];
        const uint64_t from = low > start ? low : start, to = high < end ? high : end;
        bytes += to > from ? to - from : 0;
        if (high > end) {
            break; /* the next chunk is in this run as well */
        }
        pages->next += 2;
    }
    return bytes;
}

/* The size of the chunk with this header, or 0: there is no chunk. */
static uint64_t chunk_size(const uint64_t words[2], uint64_t available)
{
    const uint64_t size = words[1] & ~(uint64_t)FLAGS;
    const bool ok = size >= SMALLEST && size % HEADER == 0 && size <= available;
    return ok && (words[1] & MMAPPED) == 0 ? size : 0;
}

/* Where the walk ended. */
static uint64_t walk(reader *from, uint64_t start, uint64_t end, resident_pages *pages,
                     chunk_sums *sums)
{
    uint64_t position = start, previous = 0, words[2];
    while (end - position >= HEADER && read_header(from, pages, position, end, words)) {
        const bool in_use = (words[1] & PREVIOUS_IN_USE) != 0;
        const uint64_t size = chunk_size(words, end - position);
        if (previous != 0 && !in_use && words[0] != previous) {
            break;
        }
        if (size == 0) {
            break;
        }
        *(in_use ? &sums->in_use : &sums->free) += sums->last_resident;
        sums->last = position;
        sums->last_resident = resident_of(pages, position, position + size);
        sums->chunks++;
        previous = size;
        position += size;
    }
    return position;
}

const char pyctm_walk_chunks_doc[] =
    "_walk_chunks($module, fd, start, end, resident, reads_all, /)\n--\n\n"
    "Add up the chunks of a heap of glibc's from /proc/PID/mem. resident: pairs\n"
    "of addresses; reads_all: read other pages, too. Returns where the walk ended; resident bytes in use and free,\n"
    "without the last chunk; the last chunk and its resident bytes; the number.";

PyObject *pyctm_module_walk_chunks(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd, reads_all;
    unsigned long long start, end;
    Py_buffer runs;
    if (!PyArg_ParseTuple(args, "iKKy*p:_walk_chunks", &fd, &start, &end, &runs, &reads_all)) {
        return NULL;
    }
    const bool are_pairs = runs.len == 0 || (runs.len % 16 == 0 && (uintptr_t)runs.buf % 8 == 0);
    if (start > end || !are_pairs) {
        PyBuffer_Release(&runs);
        PyErr_SetString(PyExc_ValueError, "no range, or no pairs");
        return NULL;
    }
    reader from;
    from.fd = fd;
    from.reads_all = reads_all != 0;
    from.address = from.size = 0;
    resident_pages pages = {.runs = runs.buf, .count = (size_t)runs.len / 8};
    chunk_sums sums = {0};
    const unsigned long long position = walk(&from, start, end, &pages, &sums);
    PyBuffer_Release(&runs);
    return Py_BuildValue("KKKKKK", position, (unsigned long long)sums.in_use,
                         (unsigned long long)sums.free, (unsigned long long)sums.last,
                         (unsigned long long)sums.last_resident, (unsigned long long)sums.chunks);
}
#endif
