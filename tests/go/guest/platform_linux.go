package main

import (
	"os"
	"syscall"
	"time"
)

func accessTime(info os.FileInfo) time.Time {
	at := info.Sys().(*syscall.Stat_t).Atim
	return time.Unix(at.Sec, at.Nsec)
}
