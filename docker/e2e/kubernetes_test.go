package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	disruption "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	idleHeap    = 12 << 10  // bytes of Go's memory for an idle pair of connections, docker/bench/README.md
	idlePair    = 16 << 10  // the same with the kernel's objects, as a cgroup counts them
	stalledHeap = 72 << 10  // bytes of Go's memory for a pair of which one side does not read
	stalledPair = 372 << 10 // the same with the kernel's buffers
	stalled     = 8         // percent of the connections that may be so at a time
	process     = 16 << 20  // bytes of ws76 without any

	endpointsGo   = 5 * time.Second  // for a pod to leave a Service everywhere, in a cluster that is well
	appTerminates = 10 * time.Second // that an app has at least, from SIGTERM
	backendAsked  = 2 * time.Second  // that /readyz waits for the backend
)

// An application is what a kustomization makes.
type application struct {
	deployment apps.Deployment
	service    core.Service
	budget     disruption.PodDisruptionBudget
	monitor    monitoring.PodMonitor
	network    network.NetworkPolicy
}

// kustomize builds a kustomization that stands beside docker/kubernetes, and
// decodes what comes of it as strictly as an API server that is asked to.
func kustomize(t *testing.T, text string) *application {
	t.Helper()
	a := &application{}
	kinds := map[string]any{"Deployment": &a.deployment, "Service": &a.service, "PodDisruptionBudget": &a.budget, "PodMonitor": &a.monitor, "NetworkPolicy": &a.network}
	fs := filesys.MakeFsInMemory()
	if err := fs.WriteFile("/mine/kustomization.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(root, "docker", "kubernetes")
	err := filepath.WalkDir(here, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(here, name)
		if err != nil {
			return err
		}
		return fs.WriteFile(path.Join("/mine/kubernetes", filepath.ToSlash(rel)), text)
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/mine")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range made.Resources() {
		into, ok := kinds[r.GetKind()]
		if !ok {
			t.Fatalf("%s %s: nothing here knows this kind, or there are two", r.GetKind(), r.GetName())
		}
		delete(kinds, r.GetKind())
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(text, into); err != nil {
			t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
		}
	}
	return a
}

// decode takes no field that the type does not have, in this very spelling.
func decode(text []byte, into any) error {
	plain, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	strict, err := json.UnmarshalStrict(plain, into)
	if err == nil && len(strict) > 0 {
		err = strict[0]
	}
	return err
}

// A kustomization is a way to use docker/kubernetes.
type kustomization struct {
	name, text string
	first      string   // the container that starts first, and ends last
	also       []string // what there is besides Deployment, Service and budget
}

var kustomizations = []kustomization{
	{"base", "resources: [kubernetes]", "ws76", nil},
	{"monitor", "resources: [kubernetes]\ncomponents: [kubernetes/monitor, kubernetes/network-policy]", "ws76", []string{"PodMonitor", "NetworkPolicy"}},
	{"drain-first", "resources: [kubernetes]\ncomponents: [kubernetes/drain-first, kubernetes/monitor]", "app", []string{"PodMonitor"}},
}

func TestKubernetes(t *testing.T) {
	for _, k := range kustomizations {
		t.Run(k.name, func(t *testing.T) {
			a := kustomize(t, k.text)
			for _, problem := range a.problems(t, k.first) {
				t.Error(problem)
			}
			for kind, name := range map[string]string{"PodMonitor": a.monitor.Name, "NetworkPolicy": a.network.Name} {
				if got, want := name != "", slices.Contains(k.also, kind); got != want {
					t.Errorf("there is a %s: %t, want %t", kind, got, want)
				}
			}
		})
	}
}

// readmeKustomization returns the n-th YAML block of docker/kubernetes/README.md.
func readmeKustomization(t *testing.T, n int) string {
	t.Helper()
	blocks := strings.Split(readFile(t, "docker/kubernetes/README.md"), "```yaml\n")
	if len(blocks) <= n {
		t.Fatalf("docker/kubernetes/README.md has %d kustomizations", len(blocks)-1)
	}
	text, _, _ := strings.Cut(blocks[n], "```")
	return text
}

// The README's kustomization is built too, and its images arrive.
func TestKubernetesReadme(t *testing.T) {
	text := readmeKustomization(t, 1)
	a := kustomize(t, text)
	for _, c := range a.containers() {
		if !strings.Contains(text, "name: "+c.Name+",") || !strings.Contains(c.Image, "/") {
			t.Errorf("the image of %s is %s, which is not the README's", c.Name, c.Image)
		}
	}
}

// Two applications in one namespace have different names and select different pods,
// the PodMonitor and the NetworkPolicy too.
func TestKubernetesTwoInOneNamespace(t *testing.T) {
	a := kustomize(t, readmeKustomization(t, 2))
	for _, problem := range a.problems(t, "ws76") {
		t.Error(problem)
	}
	other := labels.Set(kustomize(t, kustomizations[1].text).deployment.Spec.Template.Labels)
	for kind, selector := range a.selectors() {
		if labels.SelectorFromSet(selector).Matches(other) {
			t.Errorf("%s: selects the other application's pods too: %v", kind, selector)
		}
	}
	for _, name := range []string{a.deployment.Name, a.service.Name, a.budget.Name, a.monitor.Name, a.network.Name} {
		if name == "app" || name == "" {
			t.Errorf("the name %q is not its own", name)
		}
	}
}

func (a *application) containers() []core.Container {
	return slices.Concat(a.deployment.Spec.Template.Spec.InitContainers, a.deployment.Spec.Template.Spec.Containers)
}

func (a *application) container(name string) *core.Container {
	spec := &a.deployment.Spec.Template.Spec
	for _, list := range [][]core.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return &core.Container{}
}

// problems is what would go wrong in a cluster, as far as it can be seen from
// here. first is the container that is to start first.
func (a *application) problems(t *testing.T, first string) (problems []string) {
	t.Helper()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	pod := &a.deployment.Spec.Template
	ws76, app := a.container("ws76"), a.container("app")
	environment := map[string]string{}
	for _, v := range ws76.Env {
		environment[v.Name] = v.Value
	}

	restricted(pod, complain)
	if len(a.containers()) != 2 || ws76.Image != "ws76" || app.Image != "app" {
		complain("the containers are not ws76 and app of the images ws76 and app")
	}
	if on := pod.Spec.EnableServiceLinks; on == nil || *on {
		complain("the variables of Services reach ws76")
	}
	if group := ws76.SecurityContext.RunAsGroup; group == nil || *group == 0 {
		complain("ws76 runs with the group 0")
	}
	if policy := a.budget.Spec.UnhealthyPodEvictionPolicy; policy == nil || *policy != disruption.AlwaysAllow {
		complain("a broken app blocks the drain of its node")
	}
	if root := ws76.SecurityContext.ReadOnlyRootFilesystem; root == nil || !*root {
		complain("ws76 could write to its image")
	}
	if err := accepted(environment); err != nil {
		complain("the environment of ws76: %v", err)
	}
	a.selection(complain)
	a.ports(environment, settings(t), complain)
	probes(ws76, complain)
	a.order(first, complain)
	a.ending(t, environment, first, complain)
	memory(ws76, environment, complain)
	return problems
}

type complain func(format string, args ...any)

// restricted asks Kubernetes' own implementation of the Pod Security Standards.
func restricted(pod *core.PodTemplateSpec, complain complain) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		complain("%v", err)
		return
	}
	level := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	if result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !result.Allowed {
		complain("not restricted: %s", result.ForbiddenDetail())
	}
}

// selectors are those of everything that selects pods.
func (a *application) selectors() map[string]map[string]string {
	selectors := map[string]map[string]string{
		"Deployment":          a.deployment.Spec.Selector.MatchLabels,
		"Service":             a.service.Spec.Selector,
		"PodDisruptionBudget": a.budget.Spec.Selector.MatchLabels,
		"topology spread":     a.deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	}
	if a.monitor.Name != "" {
		selectors["PodMonitor"] = a.monitor.Spec.Selector.MatchLabels
	}
	if a.network.Name != "" {
		selectors["NetworkPolicy"] = a.network.Spec.PodSelector.MatchLabels
	}
	return selectors
}

// selection is that everything means these pods.
func (a *application) selection(complain complain) {
	for what, selector := range a.selectors() {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(a.deployment.Spec.Template.Labels)) {
			complain("%s: selects other pods: %v", what, selector)
		}
	}
	for _, endpoint := range a.monitor.Spec.PodMetricsEndpoints {
		if endpoint.Port == nil || port(a.container("ws76"), *endpoint.Port) == 0 || endpoint.Path != "/metrics" {
			complain("PodMonitor: ws76 has no /metrics at this port")
		}
	}
}

// port is the number of a port that has a name.
func port(c *core.Container, name string) int32 {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}

// ports is that clients reach ws76, and ws76 the app.
func (a *application) ports(environment, defaults map[string]string, complain complain) {
	ws76, app := a.container("ws76"), a.container("app")
	value := func(name string) string { return cmp.Or(environment[name], defaults[name]) }
	for name, number := range map[string]int32{
		"WS76_LISTEN":  port(ws76, "clients"),
		"WS76_ADMIN":   port(ws76, "admin"),
		"WS76_BACKEND": port(app, "app"),
	} {
		if !strings.HasSuffix(value(name), fmt.Sprintf(":%d", number)) {
			complain("%s=%s, but the container's port is %d", name, value(name), number)
		}
	}
	if !strings.HasPrefix(value("WS76_ADMIN"), ":") {
		complain("WS76_ADMIN=%s does not answer the kubelet", value("WS76_ADMIN"))
	}
	clients, admin := intstr.FromInt32(port(ws76, "clients")), intstr.FromInt32(port(ws76, "admin"))
	if len(a.service.Spec.Ports) != 1 || a.service.Spec.Ports[0].Port != 80 || a.service.Spec.Ports[0].TargetPort != clients {
		complain("the Service does not lead from port 80 to the clients' port of ws76 by its number, or to others too")
	}
	if a.network.Name != "" {
		rules := a.network.Spec.Ingress
		if len(rules) != 2 || !opens(rules[0], clients) || rules[0].From != nil || !opens(rules[1], admin) || len(rules[1].From) != 1 {
			complain("the NetworkPolicy does not open the clients' port to all and the admin port to some, by their numbers")
		}
	}
}

// opens reports whether a rule is for one port, by its number.
func opens(rule network.NetworkPolicyIngressRule, number intstr.IntOrString) bool {
	return len(rule.Ports) == 1 && rule.Ports[0].Port != nil && *rule.Ports[0].Port == number
}

// probes is that each asks what it is for: before the app may start, or to
// restart ws76, the app does not matter.
func probes(c *core.Container, complain complain) {
	for name, p := range map[string]struct {
		probe *core.Probe
		path  string
	}{
		"startup":   {c.StartupProbe, "/healthz"},
		"readiness": {c.ReadinessProbe, "/readyz"},
		"liveness":  {c.LivenessProbe, "/healthz"},
	} {
		switch {
		case p.probe == nil || p.probe.HTTPGet == nil:
			complain("%s: there is no probe by HTTP", name)
		case port(c, p.probe.HTTPGet.Port.StrVal) != port(c, "admin") || port(c, "admin") == 0:
			complain("%s: the port %v is not the admin port", name, p.probe.HTTPGet.Port.String())
		case p.probe.HTTPGet.Path != p.path:
			complain("%s: asks %s, want %s", name, p.probe.HTTPGet.Path, p.path)
		case p.path == "/readyz" && seconds(int64(p.probe.TimeoutSeconds)) <= backendAsked:
			complain("%s: gives up before it is answered", name)
		}
	}
	if p := c.ReadinessProbe; p != nil && seconds(int64(max(p.FailureThreshold, 1)*p.PeriodSeconds)) > 2*time.Second {
		complain("readiness: the pod stays in the Service after the app has crashed")
	}
	if p := c.LivenessProbe; p != nil && (p.TerminationGracePeriodSeconds == nil || *p.TerminationGracePeriodSeconds > 5) {
		complain("liveness: a ws76 that hangs keeps its pod waiting")
	}
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// order is which container is the native sidecar.
func (a *application) order(first string, complain complain) {
	spec := a.deployment.Spec.Template.Spec
	always := core.ContainerRestartPolicyAlways
	if len(spec.InitContainers) != 1 || spec.InitContainers[0].Name != first || !reflect.DeepEqual(spec.InitContainers[0].RestartPolicy, &always) {
		complain("%s is not a native sidecar", first)
	}
	for _, c := range spec.Containers {
		if c.RestartPolicy != nil {
			complain("%s has a restart policy of its own", c.Name)
		}
	}
}

// ending is that the pod leaves the Service before anything in it ends, and
// that everybody has their time. What has started first ends last: its SIGTERM
// comes when the others have ended, and its preStop before that, so it has none.
func (a *application) ending(t *testing.T, environment map[string]string, first string, complain complain) {
	drain, delay := effective(t, "WS76_DRAIN_TIMEOUT", environment), effective(t, "WS76_DRAIN_DELAY", environment)
	var slept time.Duration
	if hook := a.container("app").Lifecycle; hook != nil && hook.PreStop.Sleep != nil {
		slept = seconds(hook.PreStop.Sleep.Seconds)
	}
	switch {
	case a.container(first).Lifecycle != nil:
		complain("the preStop of %s does not delay what it should", first)
	case first == "ws76" && slept < endpointsGo:
		complain("the app serves for %s while the pod leaves the Service, which takes %s", slept, endpointsGo)
	case first == "app" && delay < endpointsGo:
		complain("ws76 accepts for %s while the pod leaves the Service, which takes %s", delay, endpointsGo)
	}
	if delay > drain/2 {
		complain("WS76_DRAIN_DELAY=%s leaves too little of WS76_DRAIN_TIMEOUT=%s", delay, drain)
	}
	grace := a.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds
	if want := slept + appTerminates + drain; grace == nil || seconds(*grace) <= want {
		complain("the grace period is not longer than %s: %s of preStop, %s for the app, %s to drain", want, slept, appTerminates, drain)
	}
}

// memory is that as many connections as are let in fit in.
func memory(c *core.Container, environment map[string]string, complain complain) {
	quantity := func(text string) int64 {
		q, err := resource.ParseQuantity(strings.TrimSuffix(text, "B"))
		if err != nil {
			complain("%q: %v", text, err)
		}
		return q.Value()
	}
	all := quantity(environment["WS76_MAX_CONNECTIONS"])
	need := func(idle, busy int64) int64 { return all*(100-stalled)/100*idle + all*stalled/100*busy + process }
	if have, want := quantity(environment["GOMEMLIMIT"]), need(idleHeap, stalledHeap); want > have {
		complain("Go needs %d MiB for the connections, GOMEMLIMIT is %d MiB", want>>20, have>>20)
	}
	if have, want := c.Resources.Limits.Memory().Value(), need(idlePair, stalledPair); want > have {
		complain("the connections need %d MiB with the kernel's buffers, the limit is %d MiB", want>>20, have>>20)
	}
	if _, limited := c.Resources.Limits[core.ResourceCPU]; limited {
		complain("a limit of CPU stops ws76 for parts of a second when many connect at once")
	}
}

// Every check is shown an application that it must complain about.
func TestKubernetesProblems(t *testing.T) {
	type change struct {
		what   string
		change func(*application)
		want   string
	}
	spec := func(a *application) *core.PodSpec { return &a.deployment.Spec.Template.Spec }
	set := func(name, value string) func(*application) {
		return func(a *application) {
			c := a.container("ws76")
			c.Env = append(c.Env, core.EnvVar{Name: name, Value: value})
		}
	}
	for first, changes := range map[string][]change{
		"ws76": {
			{"nothing", func(*application) {}, ""},
			{"root", func(a *application) { spec(a).SecurityContext.RunAsNonRoot = nil }, "not restricted: .*runAsNonRoot"},
			{"image", func(a *application) { a.container("ws76").Image = "ws67" }, "of the images ws76 and app"},
			{"links", func(a *application) { spec(a).EnableServiceLinks = nil }, "variables of Services"},
			{"writable", func(a *application) { a.container("ws76").SecurityContext.ReadOnlyRootFilesystem = nil }, "could write"},
			{"no such variable", set("WS76_DRAIN", "1s"), "there is no such variable"},
			{"bad value", set("WS76_DIALECTS", "77"), "WS76_DIALECTS"},
			{"selector", func(a *application) { a.budget.Spec.Selector.MatchLabels = map[string]string{"a": "b"} }, "PodDisruptionBudget: selects other"},
			{"monitor", func(a *application) { a.monitor.Spec.PodMetricsEndpoints[0].Port = new("metrics") }, "no /metrics"},
			{"other port", set("WS76_LISTEN", ":80"), "WS76_LISTEN=:80, but"},
			{"loopback", set("WS76_ADMIN", "127.0.0.1:9076"), "does not answer the kubelet"},
			{"the app in the Service", func(a *application) { a.service.Spec.Ports[0].TargetPort = intstr.FromInt32(8080) }, "the Service"},
			{"the Service by a name", func(a *application) { a.service.Spec.Ports[0].TargetPort = intstr.FromString("clients") }, "the Service"},
			{"the policy by a name", func(a *application) { *a.network.Spec.Ingress[0].Ports[0].Port = intstr.FromString("clients") }, "the NetworkPolicy"},
			{"admin for all", func(a *application) { a.network.Spec.Ingress[1].From = nil }, "the NetworkPolicy"},
			{"group", func(a *application) { a.container("ws76").SecurityContext.RunAsGroup = nil }, "the group 0"},
			{"blocks drains", func(a *application) { a.budget.Spec.UnhealthyPodEvictionPolicy = nil }, "blocks the drain"},
			{"slow to leave", func(a *application) { a.container("ws76").ReadinessProbe.FailureThreshold = 3 }, "stays in the Service"},
			{"hangs", func(a *application) { a.container("ws76").LivenessProbe.TerminationGracePeriodSeconds = nil }, "a ws76 that hangs"},
			{"deadlock", func(a *application) { a.container("ws76").StartupProbe.HTTPGet.Path = "/readyz" }, "startup: asks /readyz"},
			{"no probe", func(a *application) { a.container("ws76").LivenessProbe = nil }, "liveness: there is no"},
			{"probe's port", func(a *application) { a.container("ws76").ReadinessProbe.HTTPGet.Port.StrVal = "clients" }, "not the admin port"},
			{"impatient", func(a *application) { a.container("ws76").ReadinessProbe.TimeoutSeconds = 1 }, "gives up"},
			{"no sidecar", func(a *application) { spec(a).InitContainers[0].RestartPolicy = nil }, "not a native sidecar"},
			{"policy", func(a *application) { spec(a).Containers[0].RestartPolicy = new(core.ContainerRestartPolicyAlways) }, "restart policy of its own"},
			{"hook", func(a *application) { a.container("ws76").Lifecycle = a.container("app").Lifecycle }, "the preStop of ws76"},
			{"at once", func(a *application) { a.container("app").Lifecycle = nil }, "the app serves for 0s"},
			{"grace", func(a *application) { *spec(a).TerminationGracePeriodSeconds = 40 }, "grace period"},
			{"drain", set("WS76_DRAIN_TIMEOUT", "1m"), "grace period"},
			{"delay", set("WS76_DRAIN_DELAY", "15s"), "leaves too little"},
			{"memory", set("WS76_MAX_CONNECTIONS", "20000"), "the connections need 88[0-9] MiB"},
			{"Go's memory", set("GOMEMLIMIT", "128MiB"), "GOMEMLIMIT is 128 MiB"},
			{"throttled", func(a *application) { a.container("ws76").Resources.Limits[core.ResourceCPU] = resource.MustParse("1") }, "CPU"},
		},
		"app": {
			{"nothing", func(*application) {}, ""},
			{"at once", set("WS76_DRAIN_DELAY", "1s"), "ws76 accepts for 1s"},
			{"hook", func(a *application) {
				a.container("app").Lifecycle = &core.Lifecycle{PreStop: &core.LifecycleHandler{}}
			}, "the preStop of app"},
		},
	} {
		for _, c := range changes {
			k := kustomizations[slices.IndexFunc(kustomizations, func(k kustomization) bool { return k.first == first && len(k.also) > 0 })]
			a := kustomize(t, k.text)
			c.change(a)
			problems := strings.Join(a.problems(t, first), "\n")
			if (c.want == "") != (problems == "") || !regexp.MustCompile(c.want).MatchString(problems) {
				t.Errorf("%s first, %s: the complaints are %q, want %q", first, c.what, problems, c.want)
			}
		}
	}
}

func TestKubernetesDecode(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"spec: {replicas: 2}", ""},
		{"spec: {replica: 2}", `unknown field "spec.replica"`},
		{"spec: {Replicas: 2}", `unknown field "spec.Replicas"`},
		{"spec: {replicas: 2, replicas: 3}", "already set"},
		{"spec: {replicas: two}", "cannot unmarshal"},
	} {
		err := decode([]byte(tt.text), &apps.Deployment{})
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
	}
}
