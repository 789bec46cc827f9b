package store

import (
	"context"
	"database/sql"
)

// session is a connection with the statements that were prepared on it:
// parsing a statement costs SQLite more than running it. pgx keeps its own.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // nil on PostgreSQL
}

// sessions lends connections to transactions, one each.
type sessions struct {
	db   *sql.DB
	idle chan *session // SQLite only; holds a place for every connection
	done chan struct{} // closed with the store
}

func newSessions(db *sql.DB, connections int, keep bool) *sessions {
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	s := &sessions{db: db, done: make(chan struct{})}
	if keep {
		s.idle = make(chan *session, connections)
		for range connections {
			s.idle <- nil // opened when it is first taken
		}
	}
	return s
}

// take waits for a connection.
func (s *sessions) take(ctx context.Context) (*session, error) {
	if s.idle == nil {
		conn, err := s.db.Conn(ctx)
		return &session{conn: conn}, err
	}
	select {
	case c := <-s.idle:
		if c != nil {
			return c, nil
		}
	case <-s.done:
		return nil, sql.ErrConnDone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		s.idle <- nil
		return nil, err
	}
	return &session{conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

// give takes a connection back.
func (s *sessions) give(c *session) {
	if s.idle == nil {
		c.conn.Close()
		return
	}
	s.idle <- c
}

// close ends every connection. It waits for those that are lent. Closing again
// does nothing.
func (s *sessions) close() error {
	select {
	case <-s.done:
		return nil
	default:
	}
	close(s.done)
	for range cap(s.idle) {
		if c := <-s.idle; c != nil {
			for _, stmt := range c.stmts { // one that is left keeps the file open
				stmt.Close()
			}
			c.conn.Close()
		}
	}
	return s.db.Close()
}

// maxStatements bounds what one connection keeps; texts beyond it, such as
// lists of a length that is rarely asked for, are parsed each time.
const maxStatements = 256

// prepared returns the statement of a text, or nil where it is not kept.
func (c *session) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if c.stmts == nil {
		return nil, nil
	}
	if stmt, ok := c.stmts[query]; ok {
		return stmt, nil
	}
	if len(c.stmts) >= maxStatements {
		return nil, nil
	}
	// The statement outlives the request that first needed it.
	stmt, err := c.conn.PrepareContext(context.WithoutCancel(ctx), query)
	if err == nil {
		c.stmts[query] = stmt
	}
	return stmt, err
}
