package workflow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow"
)

func TestComply(t *testing.T) {
	met := func(hour int, took time.Duration) workflow.Outcome {
		return workflow.Outcome{Level: "plain", Clock: sla.Response, At: *at(hour), Ended: *at(hour), Took: took}
	}
	missed := met(2, 5*time.Hour)
	missed.Missed = true
	runs := missed
	runs.Ended, runs.Took = time.Time{}, 9*time.Hour
	withdrawn := met(2, time.Hour)
	withdrawn.Withdrawn = true
	unknown := met(2, 0)
	unknown.Unmeasured = true
	other := met(2, time.Minute)
	other.Constituency, other.Classification = "campus", "spam"
	elder := met(2, time.Minute)
	elder.Level = "careful"
	early := met(1, time.Hour)
	early.At = early.At.Add(-time.Microsecond)
	outcomes := []workflow.Outcome{
		early, met(1, time.Hour), met(3, 2*time.Hour), met(4, time.Hour),
		missed, runs, withdrawn, unknown, other, elder,
	}
	require.Equal(t, workflow.Compliance{From: *at(1), To: *at(4), Rows: []workflow.ComplianceRow{
		{Level: "careful", Clock: sla.Response, Figures: sla.Figures{Met: 1, Percentiles: []time.Duration{time.Minute, time.Minute, time.Minute}}},
		{Level: "plain", Clock: sla.Response, Figures: sla.Figures{Met: 3, Missed: 2, Percentiles: []time.Duration{2 * time.Hour, 9 * time.Hour, 9 * time.Hour}},
			Running: 1, Withdrawn: 1, Unmeasured: 1},
		{Level: "plain", Clock: sla.Response, Constituency: "campus", Classification: "spam", Figures: sla.Figures{Met: 1, Percentiles: []time.Duration{time.Minute, time.Minute, time.Minute}}},
	}}, workflow.Comply(outcomes, *at(1), *at(4)))
}
