package workflow

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// presetFiles are the documents of the presets, which are only read.
//
//go:embed presets/*.yaml
var presetFiles embed.FS

// Presets returns the names of the policies that come with the library.
func Presets() []string { return []string{"janet", "rtir", "airt"} }

// Preset returns a policy that comes with the library, which the caller owns:
//
//   - janet: what the JANET work-flow says; where it is silent, RTIR 4 to 6.
//   - rtir: what RTIR 5 does, but for its faults.
//   - airt: the statuses, states, types and severities of AIRT.
//
// The error says which names there are.
func Preset(name string) (*Policy, error) {
	if !slices.Contains(Presets(), name) {
		return nil, noPreset(name)
	}
	return ParsePolicy(presetFiles, presetPath(name))
}

// PresetDocument returns the document of a preset, to start one's own from. The
// error says which names there are.
func PresetDocument(name string) ([]byte, error) {
	if !slices.Contains(Presets(), name) {
		return nil, noPreset(name)
	}
	text, err := fs.ReadFile(presetFiles, presetPath(name))
	return text, err
}

func presetPath(name string) string { return "presets/" + name + ".yaml" }

func noPreset(name string) error {
	return fmt.Errorf("workflow: there is no policy %q: allowed are %s", name, strings.Join(Presets(), ", "))
}
