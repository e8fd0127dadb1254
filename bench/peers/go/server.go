// The peer in Go: net/http, database/sql and go-sqlite3, as a Go programmer would write it first.
//
// A goroutine for each request; a blocking call parks its goroutine (the fetch), or takes a thread for as long as it
// lasts (SQLite through cgo). database/sql keeps the connections; the file is in WAL mode with synchronous=FULL, as for all peers.
//
//	server -listen 127.0.0.1:8888 -db items.db -external http://127.0.0.1:9999/
package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	_ "github.com/mattn/go-sqlite3"
)

type item struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

type server struct {
	db       *sql.DB
	get      *sql.Stmt
	insert   *sql.Stmt
	client   *http.Client
	external string
}

func reply(w http.ResponseWriter, status int, value interface{}) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

func (s *server) hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "hello\n")
}

func (s *server) fetch(w http.ResponseWriter, r *http.Request) {
	answer, err := s.client.Get(s.external)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 65536))
	if err != nil || answer.StatusCode != http.StatusOK || !json.Valid(body) {
		http.Error(w, "the external API failed", http.StatusBadGateway)
		return
	}
	reply(w, http.StatusOK, map[string]json.RawMessage{"external_api": body})
}

func (s *server) getItem(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/items/"), 10, 64)
	if err != nil || id < 1 {
		http.Error(w, "an item's id is a whole number from 1", http.StatusBadRequest)
		return
	}
	it := item{ID: id}
	switch err := s.get.QueryRow(id).Scan(&it.Name, &it.Price); {
	case errors.Is(err, sql.ErrNoRows):
		http.Error(w, "there is no such item", http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		reply(w, http.StatusOK, it)
	}
}

func (s *server) createItem(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	var it item
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&it); err != nil || it.Name == "" || it.Price < 0 {
		http.Error(w, "the body must be {\"name\": text, \"price\": number}", http.StatusBadRequest)
		return
	}
	result, err := s.insert.Exec(it.Name, it.Price)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	id, _ := result.LastInsertId()
	w.Header().Set("Location", fmt.Sprintf("/items/%d", id))
	reply(w, http.StatusCreated, map[string]int64{"id": id})
}

func openServer(path, external string) (*server, error) {
	// The driver's own options: WAL, durable commits, wait for the lock, and take it at BEGIN.
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=30000&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	// The default keeps two idle connections and opens the others again and again; a server raises it.
	db.SetMaxIdleConns(16)
	db.SetMaxOpenConns(16)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 16384
	s := &server{db: db, external: external, client: &http.Client{Transport: transport}}
	if s.get, err = db.Prepare("SELECT name, price FROM items WHERE id = ?"); err != nil {
		return nil, err
	}
	s.insert, err = db.Prepare("INSERT INTO items (name, price) VALUES (?, ?)")
	return s, err
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8888", "address; port 0 is any free one")
	path := flag.String("db", "items.db", "the items' file, made by offloop serve")
	external := flag.String("external", "http://127.0.0.1:9999/", "the slow service")
	flag.Parse()

	s, err := openServer(*path, *external)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/hello", s.hello)
	http.HandleFunc("/fetch", s.fetch)
	http.HandleFunc("/items/", s.getItem)
	http.HandleFunc("/items", s.createItem)

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		s.db.Close()
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, nil))
}
