// Package pagestest looks at the sign-in pages with a real browser: a headless
// Chromium that types, tabs, zooms and prefers the dark. It owns no code of the
// product, and holds the pages to what people need: that they work by keyboard
// alone, stay readable at any size, and run nothing that is not ours.
package pagestest
