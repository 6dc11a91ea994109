package incident

// Part is one leaf of a MIME message, already taken apart and decoded, as
// formats (XIRL, ARF, feeds) and front ends want it.
type Part struct {
	Type        string            `json:"type"`                  // media type in lower case: "text/plain"
	Params      map[string]string `json:"params,omitempty"`      // of Content-Type, names in lower case
	Disposition string            `json:"disposition,omitempty"` // "inline", "attachment" or empty
	Name        string            `json:"name,omitempty"`        // file name, decoded, without any folder
	ContentID   string            `json:"contentID,omitempty"`
	Depth       int               `json:"depth"`   // 0: the message itself is the leaf
	Content     []byte            `json:"content"` // transfer encoding removed; text is UTF-8
}
