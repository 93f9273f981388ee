// Reads the scenes that `perception run SOURCE shm:front` publishes: cc -O2 -o shm_reader shm_reader.c
// ./shm_reader /run/user/1000/perception-front.sock; the layout is in shm.md. Little-endian machines only.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct part { uint32_t format, width, height, stride, detail, zero; uint64_t offset, size; };
struct header { char magic[4]; uint32_t size; uint64_t sequence; int64_t stamp, wall, host, published, max_age;
                uint32_t status, parts; double pixel_aspect; char frame_id[56]; struct part part[4]; };
struct message { uint32_t kind, version; uint64_t ticket, offset, size, missed; char more[1 << 18]; } m;

int main(int argc, char **argv) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, argc > 1 ? argv[1] : "/tmp/perception-front.sock", sizeof at.sun_path - 1);
    int s = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd;
    if (connect(s, (struct sockaddr *)&at, sizeof at)) return perror(at.sun_path), 1;
    struct { uint64_t release; uint32_t wanted, zero; } request = {0, 1 | 2 | 8, 0};  // picture, labels, scene
    const char *memory = NULL, *names[] = {"ok", "stale", "not_ready", "unreliable", "no_signal"};
    for (;;) {
        char control[CMSG_SPACE(sizeof fd)];
        struct iovec io = {&m, sizeof m};
        struct msghdr h = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(s, &h, 0) <= 0) return 0;  // the node is gone
        if (m.kind == 4) return fprintf(stderr, "%s\n", (char *)&m.ticket), 1;
        struct stat state;  // a descriptor comes with the first frame, and where the memory is another one
        if (CMSG_FIRSTHDR(&h) && (memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof fd), !fstat(fd, &state)))
            memory = mmap(NULL, state.st_size, PROT_READ, MAP_SHARED, fd, 0), close(fd);
        request.release = m.kind == 2 ? m.ticket : 0;
        if (m.kind == 2 && memory != MAP_FAILED) {
            const struct header *f = (const struct header *)(memory + m.offset);
            long count[256] = {0};
            if (memcmp(f->magic, "PSF1", 4) || f->status > 4) return fprintf(stderr, "not of this layout\n"), 1;
            for (uint64_t i = 0; i < f->part[1].size; i++) count[((uint8_t *)f)[f->part[1].offset + i]]++;
            printf("%lld %s %ux%u", (long long)f->stamp, names[f->status], f->part[0].width, f->part[0].height);
            for (int i = 0; i < 256; i++) if (count[i]) printf(" %d:%ld", i, count[i]);
            printf("\n"), fflush(stdout);
        }
        if (send(s, &request, sizeof request, MSG_NOSIGNAL) < 0) return 0;  // lets go of it; asks for the next one
    }
}
