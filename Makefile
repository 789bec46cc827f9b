# Everything that a person or a CI system runs. `make test` is all of it, and installs
# what it needs on Debian; the rest is for while you work.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test check labs conformance bench packages clients

# -count=1: a cached result does not know of the binary, nor of the real clients.
test: packages clients check
	go test -count=1 ./...
	$(MAKE) conformance

# What every change must pass, in under two minutes on two cores.
check:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w:" $$unformatted; exit 1; }
	go vet ./...
	cd lab/clients/go && go vet ./...
	cd conformance && go vet ./...
	GOOS=darwin go build ./...
	GOOS=windows go build ./...
	go run $(STATICCHECK) -tags bench ./...
	go test -race ./internal/...

# The users' own commands and the real SDKs against the real binary.
labs: clients
	go test -count=1 ./lab

# Other people's live test suites against the real binary: it tells of each test.
conformance:
	cd conformance && go test -count=1 -v .

bench:
	go test -tags bench -run TestFigures -v -count=1 ./bench

# The programs that the tests need, from Debian.
packages:
	./lab/packages.sh

# The real SDKs and the Azure CLI, each from its own registry.
clients:
	./lab/clients/install.sh
