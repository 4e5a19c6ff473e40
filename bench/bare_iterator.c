/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright: (c) 2026 Portreeve contributors */
/* bare_iterator PROGRAM FUNCTION: load the instructions in that file as an iterator over the files of all tasks
 * (FUNCTION is its number in the kernel's BTF), read all that it writes, and say how much that was. No program in user
 * space, in any language, can read the descriptors of a host with less. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOAD_PROGRAM = 5, CREATE_LINK = 28, CREATE_ITERATOR = 33, TRACING = 26, TRACE_ITERATOR = 28, INSTRUCTION = 8 };

struct program { uint32_t type, length; uint64_t instructions, licence; char unused[44]; uint32_t attach_type; char unused_too[36]; uint32_t function; };
struct link { uint32_t program, target, attach_type, flags; };
struct iterator { uint32_t link, flags; };

static long bpf(int command, void *attributes, size_t size)
{
    long answer = syscall(SYS_bpf, command, attributes, size);
    if (answer < 0) {
        fprintf(stderr, "bpf command %d: %s\n", command, strerror(errno));
        exit(1);
    }
    return answer;
}

int main(int count, char **words)
{
    static char instructions[1 << 16], rows[1 << 20];
    if (count != 3)
        return 2;
    int file = open(words[1], O_RDONLY);
    ssize_t length = read(file, instructions, sizeof instructions);
    if (length <= 0)
        return 2;
    struct program program = { .type = TRACING, .length = length / INSTRUCTION, .attach_type = TRACE_ITERATOR };
    program.instructions = (uintptr_t)instructions;
    program.licence = (uintptr_t)"GPL";
    program.function = atoi(words[2]);
    struct link link = { .program = bpf(LOAD_PROGRAM, &program, sizeof program), .attach_type = TRACE_ITERATOR };
    struct iterator iterator = { .link = bpf(CREATE_LINK, &link, sizeof link) };
    int rows_of_all = bpf(CREATE_ITERATOR, &iterator, sizeof iterator);
    long total = 0;
    while ((length = read(rows_of_all, rows, sizeof rows)) != 0) {
        if (length > 0)
            total += length;
        else if (errno != EAGAIN)
            return 1;
    }
    printf("%ld bytes\n", total);
    return total == 0;
}
