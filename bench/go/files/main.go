// files DIRECTORY TRANSACTIONS: what a database in one file does, without syncing. Each transaction reads some pages at
// random, saves those it will change in a journal, changes them, and removes the journal. Prints a sum over the file, which
// is the same everywhere.
package main

import (
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
)

const (
	pageSize = 4096
	pages    = 2048
	reads    = 8
	changes  = 3
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "files:", err)
		os.Exit(1)
	}
}

type database struct {
	file    *os.File
	journal string
	random  *rand.Rand
	page    []byte
}

func (d *database) read(page int64) {
	_, err := d.file.ReadAt(d.page, page*pageSize)
	check(err)
}

func (d *database) transaction(number int) {
	for i := 0; i < reads; i++ {
		d.read(d.random.Int63n(pages))
	}
	// Whether another process left a journal is asked each time, as SQLite does.
	if _, err := os.Stat(d.journal); err == nil {
		check(fmt.Errorf("%s is there", d.journal))
	}
	journal, err := os.OpenFile(d.journal, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	check(err)
	header := []byte(fmt.Sprintf("journal of transaction %12d\n", number))
	_, err = journal.WriteAt(header, 0)
	check(err)
	for i := int64(0); i < changes; i++ {
		page := d.random.Int63n(pages)
		d.read(page)
		_, err = journal.WriteAt(d.page, int64(len(header))+i*pageSize)
		check(err)
		d.page[d.random.Intn(pageSize)] = byte(number)
		_, err = d.file.WriteAt(d.page, page*pageSize)
		check(err)
	}
	check(journal.Close())
	check(os.Remove(d.journal))
}

func main() {
	if len(os.Args) != 3 {
		check(fmt.Errorf("usage: files DIRECTORY TRANSACTIONS"))
	}
	transactions, err := strconv.Atoi(os.Args[2])
	check(err)
	file, err := os.OpenFile(filepath.Join(os.Args[1], "data"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	check(err)
	check(file.Truncate(pages * pageSize))
	d := database{file, filepath.Join(os.Args[1], "data-journal"), rand.New(rand.NewSource(1)), make([]byte, pageSize)}
	for i := 0; i < transactions; i++ {
		d.transaction(i)
	}
	sum := crc32.NewIEEE()
	for i := int64(0); i < pages; i++ {
		d.read(i)
		sum.Write(d.page)
	}
	check(file.Close())
	fmt.Printf("%08x\n", sum.Sum32())
}
