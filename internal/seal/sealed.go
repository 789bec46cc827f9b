package seal

// Sealed is a sealed value as it is stored, and the place that it belongs to.
// Whoever walks over everything that is sealed is handed these.
type Sealed struct {
	At         Binding
	Ciphertext []byte
}
