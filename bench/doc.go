// Package bench measures the program beside its limits: the real binary as a
// process of its own, driven over the loopback, and beside it a bare net/http
// server that answers the same bodies. `make bench` (the build tag bench) prints
// one table; without the tag only the instruments are tested. It owns no
// product code. Hot paths in one process, with their allocations, are measured
// beside their packages. It may import everything.
//
// The figure is the server's CPU time per request and its ratio to that of the
// limit in the same run: requests per second move with the neighbours of the
// machine, and are for information.
package bench
