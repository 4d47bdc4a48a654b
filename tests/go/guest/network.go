package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

func init() {
	topics["pipes"] = pipes
	topics["spew"] = func([]string) {
		for {
			fmt.Println("spew")
		}
	}
	topics["tcp"] = tcp
	topics["udp"] = udp
	topics["unix"] = unix
	topics["http"] = web
	topics["https"] = secureWeb
	topics["interfaces"] = interfaces
}

// The deadline of a read passes: not early, and as the right error.
func checkDeadline(conn interface {
	SetReadDeadline(time.Time) error
	Read([]byte) (int, error)
}) {
	began := time.Now()
	must(conn.SetReadDeadline(began.Add(30 * time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	check(errors.Is(err, os.ErrDeadlineExceeded), "error is %v", err)
	check(time.Since(began) >= 30*time.Millisecond && time.Since(began) < 5*time.Second, "deadline after %v", time.Since(began))
	must(conn.SetReadDeadline(time.Time{}))
}

func pipes([]string) {
	const size = 16 << 20
	reader, writer, err := os.Pipe()
	must(err)
	checkDeadline(reader)
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	go func() {
		_, err := writer.Write(data)
		must(err)
		must(writer.Close())
	}()
	got, err := io.ReadAll(reader)
	must(err)
	check(bytes.Equal(got, data), "the pipe changed the data (%d bytes)", len(got))
	must(reader.Close())

	reader, writer, err = os.Pipe()
	must(err)
	must(reader.Close())
	_, err = writer.Write([]byte("x"))
	check(errors.Is(err, syscall.EPIPE), "error is %v", err)
	must(writer.Close())

	// A chain of pipes with a goroutine at each joint.
	first, in, err := os.Pipe()
	must(err)
	next := first
	for i := 0; i < 50; i++ {
		r, w, err := os.Pipe()
		must(err)
		go func(from, to *os.File) {
			_, err := io.Copy(to, from)
			must(err)
			to.Close()
			from.Close()
		}(next, w)
		next = r
	}
	go func() { in.Write(data[:1<<20]); in.Close() }()
	got, err = io.ReadAll(next)
	must(err)
	check(bytes.Equal(got, data[:1<<20]), "a chain of pipes lost data")
}

func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		must(err)
		go func() {
			_, err := io.Copy(conn, conn)
			check(err == nil || errors.Is(err, syscall.ECONNRESET), "echo: %v", err)
			must(conn.Close())
		}()
	}
}

func talk(network, address string, connections, messages int) {
	var all sync.WaitGroup
	gate := make(chan bool, 128) // below the listener's backlog, as hosts limit it
	for i := 0; i < connections; i++ {
		all.Add(1)
		gate <- true
		conn, err := net.Dial(network, address)
		must(err)
		go func(i int) {
			defer all.Done()
			defer func() { <-gate }()
			defer conn.Close()
			for n := 0; n < messages; n++ {
				text := fmt.Sprintf("connection %d message %d", i, n)
				_, err := conn.Write([]byte(text))
				must(err)
				back := make([]byte, len(text))
				_, err = io.ReadFull(conn, back)
				must(err)
				equal(string(back), text)
			}
			must(conn.(interface{ CloseWrite() error }).CloseWrite())
			rest, err := io.ReadAll(conn)
			must(err)
			equal(len(rest), 0)
		}(i)
	}
	all.Wait()
}

func tcp([]string) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil && address == "[::1]:0" {
			continue // a host without IPv6
		}
		must(err)
		done := make(chan bool)
		go func() { echo(listener); close(done) }()
		port := listener.Addr().(*net.TCPAddr).Port
		to := fmt.Sprintf("127.0.0.1:%d", port)
		if address == "[::1]:0" {
			to = fmt.Sprintf("[::1]:%d", port)
		}
		talk("tcp", to, 500, 5)

		conn, err := net.Dial("tcp", to)
		must(err)
		equal(conn.RemoteAddr().String(), to)
		checkDeadline(conn)
		link := conn.(*net.TCPConn)
		must(link.SetNoDelay(false))
		must(link.SetKeepAlive(true))
		must(link.SetKeepAlivePeriod(30 * time.Second))
		must(link.SetReadBuffer(1 << 16))
		must(link.SetLinger(0))
		must(conn.Close())

		must(listener.Close())
		<-done
		_, err = net.DialTimeout("tcp", to, 5*time.Second)
		check(errors.Is(err, syscall.ECONNREFUSED), "error is %v", err)
	}

	// A large file through sendfile(2), and back.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	dir := temporary()
	defer os.RemoveAll(dir)
	data := bytes.Repeat([]byte("sendfile"), 1<<20)
	must(os.WriteFile(dir+"/data", data, 0o644))
	go func() {
		conn, err := listener.Accept()
		must(err)
		file, err := os.Open(dir + "/data")
		must(err)
		n, err := io.Copy(conn, file)
		must(err)
		equal(n, int64(len(data)))
		must(conn.Close())
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	got, err := io.ReadAll(conn)
	must(err)
	check(bytes.Equal(got, data), "sendfile: %d of %d bytes", len(got), len(data))

	// A dial that is given up.
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = (&net.Dialer{}).DialContext(cancelled, "tcp", listener.Addr().String())
	check(err != nil, "a cancelled dial succeeded")
	addresses, err := net.LookupHost("localhost")
	must(err)
	check(len(addresses) > 0, "localhost has no address")
}

func udp([]string) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(err)
	checkDeadline(server)
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, from, err := server.ReadFromUDP(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			must(err)
			_, err = server.WriteToUDP(buffer[:n], from)
			must(err)
		}
	}()
	var all sync.WaitGroup
	for i := 0; i < 50; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			conn, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
			must(err)
			defer conn.Close()
			must(conn.SetReadBuffer(1 << 18))
			for n := 0; n < 20; n++ {
				text := strings.Repeat(fmt.Sprint(i), 1+n*50)
				back := make([]byte, 4096)
				for try := 0; ; try++ { // datagrams may be dropped
					_, err = conn.Write([]byte(text))
					must(err)
					must(conn.SetReadDeadline(time.Now().Add(2 * time.Second)))
					size, err := conn.Read(back)
					if err == nil && string(back[:size]) == text {
						break
					}
					check(try < 10, "no echo: %v", err)
				}
			}
		}(i)
	}
	all.Wait()
	// Sent from an unconnected socket the sender's address arrives.
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(err)
	_, err = other.WriteTo([]byte("hi"), server.LocalAddr())
	must(err)
	buffer := make([]byte, 16)
	n, from, err := other.ReadFrom(buffer)
	must(err)
	equal(string(buffer[:n]), "hi")
	equal(from.String(), server.LocalAddr().String())
	must(server.Close())
	must(other.Close())
}

func unix([]string) {
	dir := temporary()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", path)
	must(err)
	equal(listener.Addr().String(), path)
	go echo(listener)
	talk("unix", path, 300, 5)
	must(listener.Close())
	_, err = os.Stat(path)
	check(os.IsNotExist(err), "the socket is still there: %v", err)
	_, err = net.Dial("unix", path)
	check(errors.Is(err, syscall.ENOENT), "error is %v", err)

	a, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/a", Net: "unixgram"})
	must(err)
	b, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/b", Net: "unixgram"})
	must(err)
	_, err = a.WriteTo([]byte("datagram"), b.LocalAddr())
	must(err)
	buffer := make([]byte, 64)
	n, from, err := b.ReadFrom(buffer)
	must(err)
	equal(string(buffer[:n]), "datagram")
	equal(from.String(), dir+"/a")
	checkDeadline(b)

	// Descriptors through a socket pair.
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(err)
	reader, writer, err := os.Pipe()
	must(err)
	must(syscall.Sendmsg(pair[0], []byte("fd"), syscall.UnixRights(int(writer.Fd())), nil, 0))
	control := make([]byte, 256)
	n, controlSize, _, _, err := syscall.Recvmsg(pair[1], buffer, control, 0)
	must(err)
	equal(string(buffer[:n]), "fd")
	messages, err := syscall.ParseSocketControlMessage(control[:controlSize])
	must(err)
	equal(len(messages), 1)
	descriptors, err := syscall.ParseUnixRights(&messages[0])
	must(err)
	equal(len(descriptors), 1)
	_, err = syscall.Write(descriptors[0], []byte("through it"))
	must(err)
	n, err = reader.Read(buffer)
	must(err)
	equal(string(buffer[:n]), "through it")
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		must(err)
		fmt.Fprintf(w, "%s %x", r.Method, sha256.Sum256(body))
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 20; i++ {
			fmt.Fprintf(w, "line %d\n", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

func exercise(client *http.Client, url string, requests int) {
	var all sync.WaitGroup
	for i := 0; i < requests; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			body := bytes.Repeat([]byte{byte(i)}, i*100)
			answer, err := client.Post(url+"/sum", "application/octet-stream", bytes.NewReader(body))
			must(err)
			text, err := io.ReadAll(answer.Body)
			must(err)
			must(answer.Body.Close())
			equal(answer.StatusCode, 200)
			equal(string(text), fmt.Sprintf("POST %x", sha256.Sum256(body)))
			answer, err = client.Get(url + "/stream")
			must(err)
			text, err = io.ReadAll(answer.Body)
			must(err)
			must(answer.Body.Close())
			equal(strings.Count(string(text), "\n"), 20)
		}(i)
	}
	all.Wait()
	answer, err := client.Get(url + "/nowhere")
	must(err)
	answer.Body.Close()
	equal(answer.StatusCode, 404)
	impatient := *client
	impatient.Timeout = 50 * time.Millisecond
	_, err = impatient.Get(url + "/slow")
	check(err != nil, "a request without an answer came back")
}

func web([]string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := &http.Server{Handler: handler()}
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	exercise(http.DefaultClient, "http://"+listener.Addr().String(), 200)
	within, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	must(server.Shutdown(within))
	equal(<-ended, http.ErrServerClosed)
}

func secureWeb([]string) {
	server := httptest.NewTLSServer(handler())
	defer server.Close()
	exercise(server.Client(), server.URL, 30)
}

func interfaces([]string) {
	list, err := net.Interfaces()
	must(err)
	var loopback *net.Interface
	for i := range list {
		check(list[i].Index > 0 && list[i].MTU > 0, "interface %+v", list[i])
		if list[i].Flags&net.FlagLoopback != 0 {
			loopback = &list[i]
		}
		fmt.Printf("interface %d %s %d %v %v\n", list[i].Index, list[i].Name, list[i].MTU, list[i].HardwareAddr,
			list[i].Flags&(net.FlagUp|net.FlagLoopback))
	}
	check(loopback != nil, "no loopback interface among %d", len(list))
	addresses, err := loopback.Addrs()
	must(err)
	found := false
	for _, address := range addresses {
		found = found || address.String() == "127.0.0.1/8"
	}
	check(found, "127.0.0.1/8 is not among %v", addresses)
	all, err := net.InterfaceAddrs()
	must(err)
	check(len(all) >= len(addresses), "%d addresses in all", len(all))
	for _, address := range all {
		fmt.Println("address", address)
	}
	byName, err := net.InterfaceByName(loopback.Name)
	must(err)
	equal(byName.Index, loopback.Index)
}
