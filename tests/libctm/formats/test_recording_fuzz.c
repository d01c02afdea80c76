/* test_recording_fuzz.c: the fuzz target over mutations of the golden file.
 *
 * Model: a few thousand inputs that differ from a good file in some bytes, in their order, or in their length. The target itself
 * (tests/fuzz/fuzz_recording.c) aborts on what must not be.
 */
#include "../../fuzz/fuzz_recording.c"

#include "check.h"

static size_t mutate(uint8_t *bytes, size_t size, size_t room, uint64_t *random)
{
    for (uint64_t n = 1 + check_random(random) % 4; n > 0 && size > 2; n--) {
        const size_t at = check_random(random) % size, from = check_random(random) % size;
        const size_t most = size - (at > from ? at : from),
                     length = check_random(random) % most % 32;
        switch (check_random(random) % 5) {
        case 0: bytes[at] = (uint8_t)check_random(random); break;
        case 1: bytes[at] ^= (uint8_t)(1u << check_random(random) % 8); break;
        case 2: memmove(bytes + at, bytes + from, length); break;
        case 3: size = check_random(random) % 8 == 0 ? at : size; break;
        default: /* something twice */
            if (size + length <= room) {
                memmove(bytes + at + length, bytes + at, size - at);
                size += length;
            }
        }
    }
    return size;
}

static void test_mutations(void)
{
    static uint8_t golden[4096], bytes[8192];
    uint64_t random = 5;
    FILE *file = fopen(CTM_TEST_DATA "/recording-v1.1.ctr", "rb");
    REQUIRE(file != NULL);
    const size_t size = fread(golden, 1, sizeof golden, file);
    fclose(file);
    for (int round = 0; round < 3000; round++) {
        memcpy(bytes, golden, size);
        CHECK_EQ(LLVMFuzzerTestOneInput(bytes, mutate(bytes, size, sizeof bytes, &random)), 0);
    }
}

TEST_LIST = {
    TEST(test_mutations),
    TEST_LIST_END,
};
