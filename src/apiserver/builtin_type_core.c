/* The fields of the core group, a line or more a type, sorted by name: facts of the API. How a field is
 * written: builtin_type.h. */
#include "apiserver/builtin_type.h"

/* clang-format off */
const BuiltinType builtin_types_core[] = {
    {"core.v1.AWSElasticBlockStoreVolumeSource",
     "volumeID:string! fsType:string partition:int32 readOnly:bool"},
    {"core.v1.Affinity",
     "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity"},
    {"core.v1.AppArmorProfile", "type:string! localhostProfile:string"},
    {"core.v1.AttachedVolume", "name:string! devicePath:string!"},
    {"core.v1.AzureDiskVolumeSource",
     "diskName:string! diskURI:string! cachingMode:string fsType:string readOnly:bool kind:string"},
    {"core.v1.AzureFileVolumeSource", "secretName:string! shareName:string! readOnly:bool"},
    {"core.v1.Binding",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta target:ObjectReference!#"},
    {"core.v1.CSIVolumeSource",
     "driver:string! readOnly:bool fsType:string volumeAttributes:{string} "
     "nodePublishSecretRef:LocalObjectReference#"},
    {"core.v1.Capabilities", "add:[string] drop:[string]"},
    {"core.v1.CephFSVolumeSource",
     "monitors:[string]! path:string user:string secretFile:string secretRef:LocalObjectReference# "
     "readOnly:bool"},
    {"core.v1.CinderVolumeSource",
     "volumeID:string! fsType:string readOnly:bool secretRef:LocalObjectReference#"},
    {"core.v1.ClientIPConfig", "timeoutSeconds:int32"},
    {"core.v1.ClusterTrustBundleProjection",
     "name:string signerName:string labelSelector:meta.v1.LabelSelector# optional:bool path:string! "
     "user:int64"},
    {"core.v1.ConfigMap",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta immutable:bool data:{string} "
     "binaryData:{bytes}"},
    {"core.v1.ConfigMapEnvSource", "name:string optional:bool"},
    {"core.v1.ConfigMapKeySelector", "name:string key:string! optional:bool"},
    {"core.v1.ConfigMapNodeConfigSource",
     "namespace:string! name:string! uid:string resourceVersion:string kubeletConfigKey:string!"},
    {"core.v1.ConfigMapProjection", "name:string items:[KeyToPath] optional:bool"},
    {"core.v1.ConfigMapVolumeSource",
     "name:string items:[KeyToPath] defaultMode:int32 optional:bool defaultUser:int64"},
    {"core.v1.Container",
     "name:string! image:string command:[string] args:[string] workingDir:string "
     "ports:[ContainerPort]@containerPort|containerPort,protocol=TCP envFrom:[EnvFromSource] "
     "env:[EnvVar]@name|name resources:ResourceRequirements resizePolicy:[ContainerResizePolicy] "
     "restartPolicy:string restartPolicyRules:[ContainerRestartRule] "
     "volumeMounts:[VolumeMount]@mountPath|mountPath "
     "volumeDevices:[VolumeDevice]@devicePath|devicePath livenessProbe:Probe readinessProbe:Probe "
     "startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:string "
     "terminationMessagePolicy:string imagePullPolicy:string securityContext:SecurityContext "
     "stdin:bool stdinOnce:bool tty:bool"},
    {"core.v1.ContainerExtendedResourceRequest",
     "containerName:string! resourceName:string! requestName:string!"},
    {"core.v1.ContainerImage", "names:[string] sizeBytes:int64"},
    {"core.v1.ContainerPort",
     "name:string hostPort:int32 containerPort:int32! protocol:string hostIP:string"},
    {"core.v1.ContainerResizePolicy", "resourceName:string! restartPolicy:string!"},
    {"core.v1.ContainerRestartRule", "action:string exitCodes:ContainerRestartRuleOnExitCodes"},
    {"core.v1.ContainerRestartRuleOnExitCodes", "operator:string values:[int32]%"},
    {"core.v1.ContainerState",
     "waiting:ContainerStateWaiting running:ContainerStateRunning "
     "terminated:ContainerStateTerminated"},
    {"core.v1.ContainerStateRunning", "startedAt:time"},
    {"core.v1.ContainerStateTerminated",
     "exitCode:int32! signal:int32 reason:string message:string startedAt:time finishedAt:time "
     "containerID:string"},
    {"core.v1.ContainerStateWaiting", "reason:string message:string"},
    {"core.v1.ContainerStatus",
     "name:string! state:ContainerState lastState:ContainerState ready:bool! restartCount:int32! "
     "image:string! imageID:string! containerID:string started:bool allocatedResources:{quantity} "
     "resources:ResourceRequirements volumeMounts:[VolumeMountStatus]@mountPath|mountPath "
     "user:ContainerUser allocatedResourcesStatus:[ResourceStatus]@name|name stopSignal:string"},
    {"core.v1.ContainerUser", "linux:LinuxContainerUser"},
    {"core.v1.DaemonEndpoint", "Port:int32!"},
    {"core.v1.DownwardAPIProjection", "items:[DownwardAPIVolumeFile]"},
    {"core.v1.DownwardAPIVolumeFile",
     "path:string! fieldRef:ObjectFieldSelector# resourceFieldRef:ResourceFieldSelector# mode:int32 "
     "user:int64"},
    {"core.v1.DownwardAPIVolumeSource",
     "items:[DownwardAPIVolumeFile] defaultMode:int32 defaultUser:int64"},
    {"core.v1.EmptyDirVolumeSource", "medium:string sizeLimit:quantity mode:int32"},
    {"core.v1.EndpointAddress",
     "ip:string! hostname:string nodeName:string targetRef:ObjectReference#"},
    {"core.v1.EndpointPort", "name:string port:int32! protocol:string appProtocol:string"},
    {"core.v1.EndpointSubset",
     "addresses:[EndpointAddress] notReadyAddresses:[EndpointAddress] ports:[EndpointPort]"},
    {"core.v1.Endpoints",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta subsets:[EndpointSubset]"},
    {"core.v1.EnvFromSource",
     "prefix:string configMapRef:ConfigMapEnvSource secretRef:SecretEnvSource"},
    {"core.v1.EnvVar", "name:string! value:string valueFrom:EnvVarSource"},
    {"core.v1.EnvVarSource",
     "fieldRef:ObjectFieldSelector# resourceFieldRef:ResourceFieldSelector# "
     "configMapKeyRef:ConfigMapKeySelector# secretKeyRef:SecretKeySelector# "
     "fileKeyRef:FileKeySelector#"},
    {"core.v1.EphemeralContainer",
     "name:string! image:string command:[string] args:[string] workingDir:string "
     "ports:[ContainerPort]@containerPort|containerPort,protocol=TCP envFrom:[EnvFromSource] "
     "env:[EnvVar]@name|name resources:ResourceRequirements resizePolicy:[ContainerResizePolicy] "
     "restartPolicy:string restartPolicyRules:[ContainerRestartRule] "
     "volumeMounts:[VolumeMount]@mountPath|mountPath "
     "volumeDevices:[VolumeDevice]@devicePath|devicePath livenessProbe:Probe readinessProbe:Probe "
     "startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:string "
     "terminationMessagePolicy:string imagePullPolicy:string securityContext:SecurityContext "
     "stdin:bool stdinOnce:bool tty:bool targetContainerName:string"},
    {"core.v1.EphemeralVolumeSource", "volumeClaimTemplate:PersistentVolumeClaimTemplate"},
    {"core.v1.Event",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta! involvedObject:ObjectReference!# "
     "reason:string message:string source:EventSource firstTimestamp:time lastTimestamp:time "
     "count:int32 type:string eventTime:microtime series:EventSeries action:string "
     "related:ObjectReference# reportingComponent:string reportingInstance:string"},
    {"core.v1.EventSeries", "count:int32 lastObservedTime:microtime"},
    {"core.v1.EventSource", "component:string host:string"},
    {"core.v1.EvictionResponder", "name:string! priority:int32!"},
    {"core.v1.ExecAction", "command:[string]"},
    {"core.v1.FCVolumeSource",
     "targetWWNs:[string] lun:int32 fsType:string readOnly:bool wwids:[string]"},
    {"core.v1.FileKeySelector", "volumeName:string! path:string! key:string! optional:bool"},
    {"core.v1.FlexVolumeSource",
     "driver:string! fsType:string secretRef:LocalObjectReference# readOnly:bool options:{string}"},
    {"core.v1.FlockerVolumeSource", "datasetName:string datasetUUID:string"},
    {"core.v1.GCEPersistentDiskVolumeSource",
     "pdName:string! fsType:string partition:int32 readOnly:bool"},
    {"core.v1.GRPCAction", "port:int32! service:string mode:string"},
    {"core.v1.GitRepoVolumeSource", "repository:string! revision:string directory:string"},
    {"core.v1.GlusterfsVolumeSource", "endpoints:string! path:string! readOnly:bool"},
    {"core.v1.HTTPGetAction",
     "path:string port:intstr! host:string scheme:string httpHeaders:[HTTPHeader] protocol:string"},
    {"core.v1.HTTPHeader", "name:string! value:string!"},
    {"core.v1.HostAlias", "ip:string! hostnames:[string]"},
    {"core.v1.HostIP", "ip:string!"},
    {"core.v1.HostPathVolumeSource", "path:string! type:string"},
    {"core.v1.ISCSIVolumeSource",
     "targetPortal:string! iqn:string! lun:int32! iscsiInterface:string fsType:string readOnly:bool "
     "portals:[string] chapAuthDiscovery:bool chapAuthSession:bool secretRef:LocalObjectReference# "
     "initiatorName:string"},
    {"core.v1.ImageVolumeSource", "reference:string pullPolicy:string"},
    {"core.v1.ImageVolumeStatus", "imageRef:string"},
    {"core.v1.KeyToPath", "key:string! path:string! mode:int32 user:int64"},
    {"core.v1.Lifecycle", "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal:string"},
    {"core.v1.LifecycleHandler",
     "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction"},
    {"core.v1.LinuxContainerUser", "uid:int64! gid:int64! supplementalGroups:[int64]"},
    {"core.v1.LoadBalancerIngress", "ip:string hostname:string ipMode:string ports:[PortStatus]"},
    {"core.v1.LoadBalancerStatus", "ingress:[LoadBalancerIngress]"},
    {"core.v1.LocalObjectReference", "name:string"},
    {"core.v1.NFSVolumeSource", "server:string! path:string! readOnly:bool"},
    {"core.v1.Namespace",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:NamespaceSpec "
     "status:NamespaceStatus"},
    {"core.v1.NamespaceCondition",
     "type:string! status:string! lastTransitionTime:time reason:string message:string"},
    {"core.v1.NamespaceSpec", "finalizers:[string]"},
    {"core.v1.NamespaceStatus", "phase:string conditions:[NamespaceCondition]@type|type"},
    {"core.v1.Node",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:NodeSpec status:NodeStatus"},
    {"core.v1.NodeAddress", "type:string! address:string!"},
    {"core.v1.NodeAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector# "
     "preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]"},
    {"core.v1.NodeAllocatableMappedResources", "name:string! quantity:quantity!"},
    {"core.v1.NodeAllocatableOverheadResources",
     "name:string! perPod:quantity perContainer:quantity"},
    {"core.v1.NodeAllocatableResourceClaimStatus",
     "resourceClaimName:string! containers:[string]% "
     "mapping:[NodeAllocatableMappedResources]@name|name "
     "overhead:[NodeAllocatableOverheadResources]@name|name"},
    {"core.v1.NodeCondition",
     "type:string! status:string! lastHeartbeatTime:time lastTransitionTime:time reason:string "
     "message:string"},
    {"core.v1.NodeConfigSource", "configMap:ConfigMapNodeConfigSource"},
    {"core.v1.NodeConfigStatus",
     "assigned:NodeConfigSource active:NodeConfigSource lastKnownGood:NodeConfigSource error:string"},
    {"core.v1.NodeDaemonEndpoints", "kubeletEndpoint:DaemonEndpoint"},
    {"core.v1.NodeFeatures", "supplementalGroupsPolicy:bool"},
    {"core.v1.NodePodPreemptionPolicy", "disableResizePreemption:[string]%"},
    {"core.v1.NodeRuntimeHandler", "name:string features:NodeRuntimeHandlerFeatures"},
    {"core.v1.NodeRuntimeHandlerFeatures", "recursiveReadOnlyMounts:bool userNamespaces:bool"},
    {"core.v1.NodeSelector", "nodeSelectorTerms:[NodeSelectorTerm]!"},
    {"core.v1.NodeSelectorRequirement", "key:string! operator:string! values:[string]"},
    {"core.v1.NodeSelectorTerm",
     "matchExpressions:[NodeSelectorRequirement] matchFields:[NodeSelectorRequirement]"},
    {"core.v1.NodeSpec",
     "podCIDR:string podCIDRs:[string]@% providerID:string unschedulable:bool taints:[Taint] "
     "configSource:NodeConfigSource externalID:string podPreemptionPolicy:NodePodPreemptionPolicy"},
    {"core.v1.NodeStatus",
     "capacity:{quantity} allocatable:{quantity} phase:string conditions:[NodeCondition]@type|type "
     "addresses:[NodeAddress]@type|type daemonEndpoints:NodeDaemonEndpoints nodeInfo:NodeSystemInfo "
     "images:[ContainerImage] volumesInUse:[string] volumesAttached:[AttachedVolume] "
     "config:NodeConfigStatus runtimeHandlers:[NodeRuntimeHandler] features:NodeFeatures "
     "declaredFeatures:[string]"},
    {"core.v1.NodeSwapStatus", "capacity:int64"},
    {"core.v1.NodeSystemInfo",
     "machineID:string! systemUUID:string! bootID:string! kernelVersion:string! osImage:string! "
     "containerRuntimeVersion:string! kubeletVersion:string! kubeProxyVersion:string! "
     "operatingSystem:string! architecture:string! swap:NodeSwapStatus"},
    {"core.v1.ObjectFieldSelector", "apiVersion:string fieldPath:string!"},
    {"core.v1.ObjectReference",
     "kind:string namespace:string name:string uid:string apiVersion:string resourceVersion:string "
     "fieldPath:string"},
    {"core.v1.PersistentVolumeClaimSpec",
     "accessModes:[string] selector:meta.v1.LabelSelector# resources:VolumeResourceRequirements "
     "volumeName:string storageClassName:string volumeMode:string "
     "dataSource:TypedLocalObjectReference# dataSourceRef:TypedObjectReference "
     "volumeAttributesClassName:string"},
    {"core.v1.PersistentVolumeClaimTemplate",
     "metadata:meta.v1.ObjectMeta spec:PersistentVolumeClaimSpec!"},
    {"core.v1.PersistentVolumeClaimVolumeSource", "claimName:string! readOnly:bool"},
    {"core.v1.PhotonPersistentDiskVolumeSource", "pdID:string! fsType:string"},
    {"core.v1.Pod",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:PodSpec status:PodStatus"},
    {"core.v1.PodAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm] "
     "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]"},
    {"core.v1.PodAffinityTerm",
     "labelSelector:meta.v1.LabelSelector# namespaces:[string] topologyKey:string! "
     "namespaceSelector:meta.v1.LabelSelector# matchLabelKeys:[string] mismatchLabelKeys:[string]"},
    {"core.v1.PodAntiAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm] "
     "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]"},
    {"core.v1.PodCertificateProjection",
     "signerName:string keyType:string maxExpirationSeconds:int32 credentialBundlePath:string "
     "keyPath:string certificateChainPath:string userAnnotations:{string} user:int64"},
    {"core.v1.PodCondition",
     "type:string! observedGeneration:int64 status:string! lastProbeTime:time "
     "lastTransitionTime:time reason:string message:string"},
    {"core.v1.PodDNSConfig", "nameservers:[string] searches:[string] options:[PodDNSConfigOption]"},
    {"core.v1.PodDNSConfigOption", "name:string value:string"},
    {"core.v1.PodExtendedResourceClaimStatus",
     "requestMappings:[ContainerExtendedResourceRequest]! resourceClaimName:string!"},
    {"core.v1.PodIP", "ip:string!"},
    {"core.v1.PodOS", "name:string!"},
    {"core.v1.PodReadinessGate", "conditionType:string!"},
    {"core.v1.PodResourceClaim",
     "name:string! resourceClaimName:string resourceClaimTemplateName:string"},
    {"core.v1.PodResourceClaimStatus", "name:string! resourceClaimName:string"},
    {"core.v1.PodSchedulingGate", "name:string!"},
    {"core.v1.PodSchedulingGroup", "podGroupName:string"},
    {"core.v1.PodSecurityContext",
     "seLinuxOptions:SELinuxOptions windowsOptions:WindowsSecurityContextOptions runAsUser:int64 "
     "runAsGroup:int64 runAsNonRoot:bool supplementalGroups:[int64] supplementalGroupsPolicy:string "
     "fsGroup:int64 sysctls:[Sysctl] fsGroupChangePolicy:string seccompProfile:SeccompProfile "
     "appArmorProfile:AppArmorProfile seLinuxChangePolicy:string"},
    {"core.v1.PodSpec",
     "volumes:[Volume]@name^|name initContainers:[Container]@name|name "
     "containers:[Container]!@name|name ephemeralContainers:[EphemeralContainer]@name|name "
     "restartPolicy:string terminationGracePeriodSeconds:int64 activeDeadlineSeconds:int64 "
     "dnsPolicy:string nodeSelector:{string}# serviceAccountName:string serviceAccount:string "
     "automountServiceAccountToken:bool nodeName:string hostNetwork:bool hostPID:bool hostIPC:bool "
     "shareProcessNamespace:bool securityContext:PodSecurityContext "
     "imagePullSecrets:[LocalObjectReference]@name|name hostname:string subdomain:string "
     "affinity:Affinity schedulerName:string tolerations:[Toleration] hostAliases:[HostAlias]@ip|ip "
     "priorityClassName:string priority:int32 dnsConfig:PodDNSConfig "
     "readinessGates:[PodReadinessGate] runtimeClassName:string enableServiceLinks:bool "
     "preemptionPolicy:string overhead:{quantity} "
     "topologySpreadConstraints:[TopologySpreadConstraint]@topologyKey|topologyKey,whenUnsatisfiable "
     "setHostnameAsFQDN:bool os:PodOS hostUsers:bool schedulingGates:[PodSchedulingGate]@name|name "
     "resourceClaims:[PodResourceClaim]@name^|name resources:ResourceRequirements "
     "hostnameOverride:string schedulingGroup:PodSchedulingGroup "
     "evictionResponders:[EvictionResponder]@name|name"},
    {"core.v1.PodStatus",
     "observedGeneration:int64 phase:string conditions:[PodCondition]@type|type message:string "
     "reason:string nominatedNodeName:string hostIP:string hostIPs:[HostIP]@ip podIP:string "
     "podIPs:[PodIP]@ip|ip startTime:time initContainerStatuses:[ContainerStatus] "
     "containerStatuses:[ContainerStatus] qosClass:string "
     "ephemeralContainerStatuses:[ContainerStatus] resize:string "
     "resourceClaimStatuses:[PodResourceClaimStatus]@name^|name "
     "extendedResourceClaimStatus:PodExtendedResourceClaimStatus allocatedResources:{quantity} "
     "resources:ResourceRequirements "
     "nodeAllocatableResourceClaimStatuses:[NodeAllocatableResourceClaimStatus]@resourceClaimName|resourceClaimName "
     "volumeHealth:[PodVolumeHealth]|name"},
    {"core.v1.PodTemplateSpec", "metadata:meta.v1.ObjectMeta spec:PodSpec"},
    {"core.v1.PodVolumeHealth",
     "name:string! healthConditions:[VolumeHealthCondition]@status|status,reason "
     "lastTransitionTime:time"},
    {"core.v1.PortStatus", "port:int32! protocol:string! error:string"},
    {"core.v1.PortworxVolumeSource", "volumeID:string! fsType:string readOnly:bool"},
    {"core.v1.PreferredSchedulingTerm", "weight:int32! preference:NodeSelectorTerm!#"},
    {"core.v1.Probe",
     "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction "
     "initialDelaySeconds:int32 timeoutSeconds:int32 periodSeconds:int32 successThreshold:int32 "
     "failureThreshold:int32 terminationGracePeriodSeconds:int64"},
    {"core.v1.ProjectedVolumeSource",
     "sources:[VolumeProjection] defaultMode:int32 defaultUser:int64"},
    {"core.v1.QuobyteVolumeSource",
     "registry:string! volume:string! readOnly:bool user:string group:string tenant:string"},
    {"core.v1.RBDVolumeSource",
     "monitors:[string]! image:string! fsType:string pool:string user:string keyring:string "
     "secretRef:LocalObjectReference# readOnly:bool"},
    {"core.v1.ResourceClaim", "name:string! request:string"},
    {"core.v1.ResourceFieldSelector", "containerName:string resource:string! divisor:quantity"},
    {"core.v1.ResourceHealth", "resourceID:string! health:string message:string"},
    {"core.v1.ResourceRequirements",
     "limits:{quantity} requests:{quantity} claims:[ResourceClaim]|name"},
    {"core.v1.ResourceStatus", "name:string! resources:[ResourceHealth]|resourceID"},
    {"core.v1.SELinuxOptions", "user:string role:string type:string level:string"},
    {"core.v1.ScaleIOVolumeSource",
     "gateway:string! system:string! secretRef:LocalObjectReference!# sslEnabled:bool "
     "protectionDomain:string storagePool:string storageMode:string volumeName:string fsType:string "
     "readOnly:bool"},
    {"core.v1.SeccompProfile", "type:string! localhostProfile:string"},
    {"core.v1.Secret",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta immutable:bool data:{bytes} "
     "stringData:{string} type:string"},
    {"core.v1.SecretEnvSource", "name:string optional:bool"},
    {"core.v1.SecretKeySelector", "name:string key:string! optional:bool"},
    {"core.v1.SecretProjection", "name:string items:[KeyToPath] optional:bool"},
    {"core.v1.SecretVolumeSource",
     "secretName:string items:[KeyToPath] defaultMode:int32 optional:bool defaultUser:int64"},
    {"core.v1.SecurityContext",
     "capabilities:Capabilities privileged:bool seLinuxOptions:SELinuxOptions "
     "windowsOptions:WindowsSecurityContextOptions runAsUser:int64 runAsGroup:int64 "
     "runAsNonRoot:bool readOnlyRootFilesystem:bool allowPrivilegeEscalation:bool procMount:string "
     "seccompProfile:SeccompProfile appArmorProfile:AppArmorProfile"},
    {"core.v1.Service",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:ServiceSpec "
     "status:ServiceStatus"},
    {"core.v1.ServiceAccount",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta secrets:[ObjectReference]@name|name "
     "imagePullSecrets:[LocalObjectReference] automountServiceAccountToken:bool"},
    {"core.v1.ServiceAccountTokenProjection",
     "audience:string expirationSeconds:int64 path:string! user:int64"},
    {"core.v1.ServicePort",
     "name:string protocol:string appProtocol:string port:int32! targetPort:intstr nodePort:int32"},
    {"core.v1.ServiceSpec",
     "ports:[ServicePort]@port|port,protocol=TCP selector:{string}# clusterIP:string "
     "clusterIPs:[string] type:string externalIPs:[string] sessionAffinity:string "
     "loadBalancerIP:string loadBalancerSourceRanges:[string] externalName:string "
     "externalTrafficPolicy:string healthCheckNodePort:int32 publishNotReadyAddresses:bool "
     "sessionAffinityConfig:SessionAffinityConfig ipFamilies:[string] ipFamilyPolicy:string "
     "allocateLoadBalancerNodePorts:bool loadBalancerClass:string internalTrafficPolicy:string "
     "trafficDistribution:string"},
    {"core.v1.ServiceStatus",
     "loadBalancer:LoadBalancerStatus conditions:[meta.v1.Condition]@type|type"},
    {"core.v1.SessionAffinityConfig", "clientIP:ClientIPConfig"},
    {"core.v1.SleepAction", "seconds:int64!"},
    {"core.v1.StorageOSVolumeSource",
     "volumeName:string volumeNamespace:string fsType:string readOnly:bool "
     "secretRef:LocalObjectReference#"},
    {"core.v1.Sysctl", "name:string! value:string!"},
    {"core.v1.TCPSocketAction", "port:intstr! host:string"},
    {"core.v1.Taint", "key:string! value:string effect:string! timeAdded:time"},
    {"core.v1.Toleration",
     "key:string operator:string value:string effect:string tolerationSeconds:int64"},
    {"core.v1.TopologySpreadConstraint",
     "maxSkew:int32! topologyKey:string! whenUnsatisfiable:string! "
     "labelSelector:meta.v1.LabelSelector# minDomains:int32 nodeAffinityPolicy:string "
     "nodeTaintsPolicy:string matchLabelKeys:[string]"},
    {"core.v1.TypedLocalObjectReference", "apiGroup:string kind:string! name:string!"},
    {"core.v1.TypedObjectReference", "apiGroup:string kind:string! name:string! namespace:string"},
    {"core.v1.Volume",
     "name:string! hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource "
     "gcePersistentDisk:GCEPersistentDiskVolumeSource "
     "awsElasticBlockStore:AWSElasticBlockStoreVolumeSource gitRepo:GitRepoVolumeSource "
     "secret:SecretVolumeSource nfs:NFSVolumeSource iscsi:ISCSIVolumeSource "
     "glusterfs:GlusterfsVolumeSource persistentVolumeClaim:PersistentVolumeClaimVolumeSource "
     "rbd:RBDVolumeSource flexVolume:FlexVolumeSource cinder:CinderVolumeSource "
     "cephfs:CephFSVolumeSource flocker:FlockerVolumeSource downwardAPI:DownwardAPIVolumeSource "
     "fc:FCVolumeSource azureFile:AzureFileVolumeSource configMap:ConfigMapVolumeSource "
     "vsphereVolume:VsphereVirtualDiskVolumeSource quobyte:QuobyteVolumeSource "
     "azureDisk:AzureDiskVolumeSource photonPersistentDisk:PhotonPersistentDiskVolumeSource "
     "projected:ProjectedVolumeSource portworxVolume:PortworxVolumeSource "
     "scaleIO:ScaleIOVolumeSource storageos:StorageOSVolumeSource csi:CSIVolumeSource "
     "ephemeral:EphemeralVolumeSource image:ImageVolumeSource"},
    {"core.v1.VolumeDevice", "name:string! devicePath:string!"},
    {"core.v1.VolumeHealthCondition", "status:string! reason:string! message:string"},
    {"core.v1.VolumeMount",
     "name:string! readOnly:bool recursiveReadOnly:string mountPath:string! subPath:string "
     "mountPropagation:string subPathExpr:string bindMountOptions:[string]%"},
    {"core.v1.VolumeMountStatus",
     "name:string! mountPath:string! readOnly:bool recursiveReadOnly:string "
     "volumeStatus:VolumeStatus"},
    {"core.v1.VolumeProjection",
     "secret:SecretProjection downwardAPI:DownwardAPIProjection configMap:ConfigMapProjection "
     "serviceAccountToken:ServiceAccountTokenProjection "
     "clusterTrustBundle:ClusterTrustBundleProjection podCertificate:PodCertificateProjection"},
    {"core.v1.VolumeResourceRequirements", "limits:{quantity} requests:{quantity}"},
    {"core.v1.VolumeStatus", "image:ImageVolumeStatus"},
    {"core.v1.VsphereVirtualDiskVolumeSource",
     "volumePath:string! fsType:string storagePolicyName:string storagePolicyID:string"},
    {"core.v1.WeightedPodAffinityTerm", "weight:int32! podAffinityTerm:PodAffinityTerm!"},
    {"core.v1.WindowsSecurityContextOptions",
     "gmsaCredentialSpecName:string gmsaCredentialSpec:string runAsUserName:string hostProcess:bool"},
};
/* clang-format on */
const size_t builtin_types_core_n = ELEMENTS(builtin_types_core);
