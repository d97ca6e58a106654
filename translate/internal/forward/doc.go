// Package forward knows what a proxy does to the fields of a message: which concern one
// connection only, what the backend is told about the client, and what of it others may
// say. It imports the standard library only.
package forward
