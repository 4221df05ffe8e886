// The `config` command of Docker Compose 5 without its engine: compose-go's loader, and the few steps that Compose adds.
//
// usage: compose5 [-f FILE] [--env-file FILE] [--profile NAME] [--project-name NAME] [--project-directory FOLDER]
//
//	config [--format yaml|json] [--hash '*'|NAMES] [--no-interpolate] [--no-normalize] [--no-path-resolution]
//	       [--no-consistency] [--no-env-resolution] [SERVICE...]
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v4"
)

// names is a flag that may be repeated.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

func (n *names) Set(name string) error {
	*n = append(*n, name)
	return nil
}

type options struct {
	files, envFiles, profiles                                     names
	name, folder, format, hash                                    string
	noInterpolate, noNormalize, noPaths, noConsistency, noEnvFile bool
	services                                                      []string
}

func main() {
	logrus.SetLevel(logrus.ErrorLevel)
	dotenv.RegisterFormat("raw", raw)
	opts, err := parse(os.Args[1:])
	if err == nil {
		var text []byte
		if text, err = config(context.Background(), opts); err == nil {
			_, err = os.Stdout.Write(text)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	var opts options
	global := flag.NewFlagSet("compose5", flag.ContinueOnError)
	global.Var(&opts.files, "f", "")
	global.Var(&opts.files, "file", "")
	global.Var(&opts.envFiles, "env-file", "")
	global.Var(&opts.profiles, "profile", "")
	global.StringVar(&opts.name, "p", "", "")
	global.StringVar(&opts.name, "project-name", "", "")
	global.StringVar(&opts.folder, "project-directory", "", "")
	if err := global.Parse(args); err != nil {
		return nil, err
	}
	if global.Arg(0) != "config" {
		return nil, errors.New("the command must be 'config'")
	}
	local := flag.NewFlagSet("config", flag.ContinueOnError)
	local.StringVar(&opts.format, "format", "yaml", "")
	local.StringVar(&opts.hash, "hash", "", "")
	local.BoolVar(&opts.noInterpolate, "no-interpolate", false, "")
	local.BoolVar(&opts.noNormalize, "no-normalize", false, "")
	local.BoolVar(&opts.noPaths, "no-path-resolution", false, "")
	local.BoolVar(&opts.noConsistency, "no-consistency", false, "")
	local.BoolVar(&opts.noEnvFile, "no-env-resolution", false, "")
	if err := local.Parse(global.Args()[1:]); err != nil {
		return nil, err
	}
	opts.services = local.Args()
	return &opts, nil
}

// config returns what Compose prints. As in Compose, the environment files of services are read at the end, only for
// services that are selected.
func config(ctx context.Context, opts *options) ([]byte, error) {
	loader, err := cli.NewProjectOptions(opts.files,
		cli.WithInterpolation(!opts.noInterpolate), cli.WithResolvedPaths(!opts.noPaths),
		cli.WithNormalization(!opts.noNormalize), cli.WithConsistency(!opts.noConsistency), cli.WithDiscardEnvFile,
		func(o *cli.ProjectOptions) error {
			if opts.noEnvFile || opts.hash != "" {
				return cli.WithoutEnvironmentResolution(o)
			}
			return nil
		},
		cli.WithWorkingDirectory(opts.folder), cli.WithOsEnv,
		// Twice: the second `.env` is that of the folder which the first one's COMPOSE_FILE leads to.
		cli.WithEnvFiles(opts.envFiles...), cli.WithDotEnv, cli.WithConfigFileEnv, cli.WithDefaultConfigPath,
		cli.WithEnvFiles(opts.envFiles...), cli.WithDotEnv,
		cli.WithDefaultProfiles(opts.profiles...), cli.WithName(opts.name))
	if err != nil {
		return nil, err
	}
	if opts.noInterpolate {
		model, err := loader.LoadModel(ctx)
		if err != nil {
			return nil, err
		}
		return encode(model, opts.format)
	}
	project, err := loader.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	if project, err = project.WithServicesEnabled(opts.services...); err != nil {
		return nil, err
	}
	if project, err = project.WithSelectedServices(opts.services); err != nil {
		return nil, err
	}
	project = project.WithoutUnnecessaryResources()
	if opts.hash != "" {
		return hashes(project, opts)
	}
	if !opts.noEnvFile {
		if project, err = project.WithServicesEnvironmentResolved(true); err != nil {
			return nil, err
		}
	}
	if !opts.noConsistency {
		if err := project.CheckContainerNameUnicity(); err != nil {
			return nil, err
		}
	}
	var text []byte
	if opts.format == "json" {
		text, err = project.MarshalJSON()
	} else {
		text, err = project.MarshalYAML()
	}
	return bytes.ReplaceAll(text, []byte("$"), []byte("$$")), err
}

// encode prints a model that was not made a project.
func encode(model map[string]any, format string) ([]byte, error) {
	if format == "json" {
		return json.MarshalIndent(model, "", "  ")
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err := encoder.Encode(model)
	return text.Bytes(), err
}

// hashes returns the config hash of each service, as it becomes the label of its containers.
func hashes(project *types.Project, opts *options) ([]byte, error) {
	var wanted []string
	if opts.hash != "*" {
		wanted = strings.Split(opts.hash, ",")
	}
	project, err := project.WithSelectedServices(wanted, types.IgnoreDependencies)
	if err != nil {
		return nil, err
	}
	if !opts.noEnvFile {
		if project, err = project.WithServicesEnvironmentResolved(true); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(slices.Values(project.ServiceNames())) {
		service := project.Services[name]
		service.Build, service.PullPolicy, service.Scale = nil, "", nil
		service.DependsOn, service.Profiles = nil, nil
		if service.Deploy != nil {
			deploy := *service.Deploy
			deploy.Replicas = nil
			service.Deploy = &deploy
		}
		hashed, err := json.Marshal(service)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "%s %x\n", name, sha256.Sum256(hashed))
	}
	return text.Bytes(), nil
}

// raw reads an environment file as `docker run --env-file` does: values are taken as they are.
func raw(file io.Reader, name string, variables map[string]string, lookup func(string) (string, bool)) error {
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimLeft(lines.Text(), " \t")
		key, value, found := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
			continue
		case key == "" || strings.ContainsAny(key, " \t"):
			return fmt.Errorf("%s: %q is not the name of a variable", name, key)
		case !found:
			if value, found = lookup(key); !found {
				continue
			}
		}
		variables[key] = value
	}
	return lines.Err()
}
