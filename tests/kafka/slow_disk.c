/* Preloaded into a broker: every write and sync of a regular file first waits as many milliseconds as the file
   named by SLOW_DISK_FILE says in its first four bytes (a native int, mapped: it may change at any time). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int *wait_ms;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("SLOW_DISK_FILE");
    int fd = name ? open(name, O_RDONLY) : -1;
    if (fd < 0) return;
    void *page = mmap(0, sizeof(int), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) wait_ms = page;
    close(fd);
}

static void slow(int fd) {
    struct stat is;
    if (wait_ms && *wait_ms > 0 && fstat(fd, &is) == 0 && S_ISREG(is.st_mode)) usleep(*wait_ms * 1000);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t size) { REAL(write); slow(fd); return real(fd, from, size); }
ssize_t writev(int fd, const struct iovec *from, int count) { REAL(writev); slow(fd); return real(fd, from, count); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) { REAL(pwrite64); slow(fd); return real(fd, from, size, at); }
int fsync(int fd) { REAL(fsync); slow(fd); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); slow(fd); return real(fd); }
