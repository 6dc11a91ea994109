package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/airtight-csirt/airtight/adapters/dns"
	"github.com/airtight-csirt/airtight/adapters/rdap"
	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// lookups gives a desk its directory and whom to ask beside it.
func (c *call) lookups(ctx context.Context, store storage.Store, config *desk.Config) error {
	config.PublicSuffix = publicsuffix.PublicSuffix
	doc, err := c.directoryDocument(ctx, store)
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return err
	default:
		if config.Directory, err = lookup.NewDirectory(doc, lookup.Config{}); err != nil {
			return fmt.Errorf("the directory: %w", err)
		}
	}
	if c.resolver != "" {
		client, err := dns.New(dns.Config{Servers: []string{c.resolver}})
		if err != nil {
			return fmt.Errorf("--resolver: %w", err)
		}
		config.Resolver = client
	}
	var list []lookup.Registry
	if c.rdap != "" {
		client, err := rdapClient(c.rdap)
		if err != nil {
			return fmt.Errorf("--rdap: %w", err)
		}
		list = append(list, client)
	}
	if len(c.whois) > 0 {
		client, err := whoisClient(c.whois)
		if err != nil {
			return fmt.Errorf("--whois: %w", err)
		}
		list = append(list, client)
	}
	if len(list) == 0 {
		return nil
	}
	config.Registries, err = lookup.NewRegistries(lookup.RegistriesConfig{Registries: list})
	return err
}

func rdapClient(where string) (*rdap.Client, error) {
	if strings.Contains(where, "://") {
		return rdap.New(rdap.Config{Server: where})
	}
	file, err := os.Open(where)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var bootstrap rdap.Bootstrap
	if err := bootstrap.Read(file); err != nil {
		return nil, err
	}
	return rdap.New(rdap.Config{Bootstrap: bootstrap})
}

// whoisClient asks the first of some servers about everything.
func whoisClient(names []string) (*whois.Client, error) {
	var servers []whois.Server
	for i, s := range names {
		name, address, _ := strings.Cut(s, "=")
		server := whois.Server{Name: name, Address: address, Networks: i == 0}
		if i == 0 {
			server.Domains = []string{"."}
		}
		servers = append(servers, server)
	}
	return whois.New(whois.Config{Servers: servers})
}
