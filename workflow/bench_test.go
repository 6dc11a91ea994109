package workflow_test

import (
	"testing"

	"github.com/airtight-csirt/airtight/workflow"
)

// BenchmarkDefault reads the document of the default policy.
func BenchmarkDefault(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		workflow.Default()
	}
}
