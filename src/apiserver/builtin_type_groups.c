/* The fields of the other groups and of meta/v1, as in builtin_type_core.c. */
#include "apiserver/builtin_type.h"

/* clang-format off */
const BuiltinType builtin_types_groups[] = {
    {"apiextensions.v1.CustomResourceColumnDefinition",
     "name:string! type:string! format:string description:string priority:int32 jsonPath:string!"},
    {"apiextensions.v1.CustomResourceConversion", "strategy:string! webhook:WebhookConversion"},
    {"apiextensions.v1.CustomResourceDefinition",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:CustomResourceDefinitionSpec! "
     "status:CustomResourceDefinitionStatus"},
    {"apiextensions.v1.CustomResourceDefinitionCondition",
     "type:string! status:string! lastTransitionTime:time reason:string message:string "
     "observedGeneration:int64"},
    {"apiextensions.v1.CustomResourceDefinitionNames",
     "plural:string! singular:string shortNames:[string] kind:string! listKind:string "
     "categories:[string]"},
    {"apiextensions.v1.CustomResourceDefinitionSpec",
     "group:string! names:CustomResourceDefinitionNames! scope:string! "
     "versions:[CustomResourceDefinitionVersion]! conversion:CustomResourceConversion "
     "preserveUnknownFields:bool"},
    {"apiextensions.v1.CustomResourceDefinitionStatus",
     "conditions:[CustomResourceDefinitionCondition]|type "
     "acceptedNames:CustomResourceDefinitionNames storedVersions:[string] observedGeneration:int64"},
    {"apiextensions.v1.CustomResourceDefinitionVersion",
     "name:string! served:bool! storage:bool! deprecated:bool deprecationWarning:string "
     "schema:CustomResourceValidation subresources:CustomResourceSubresources "
     "additionalPrinterColumns:[CustomResourceColumnDefinition] selectableFields:[SelectableField]"},
    {"apiextensions.v1.CustomResourceSubresourceScale",
     "specReplicasPath:string! statusReplicasPath:string! labelSelectorPath:string"},
    {"apiextensions.v1.CustomResourceSubresources",
     "status:any scale:CustomResourceSubresourceScale"},
    {"apiextensions.v1.CustomResourceValidation", "openAPIV3Schema:JSONSchemaProps"},
    {"apiextensions.v1.ExternalDocumentation", "description:string url:string"},
    {"apiextensions.v1.JSONSchemaProps",
     "id:string $schema:string $ref:string description:string type:string format:string "
     "title:string default:any maximum:double exclusiveMaximum:bool minimum:double "
     "exclusiveMinimum:bool maxLength:int64 minLength:int64 pattern:string maxItems:int64 "
     "minItems:int64 uniqueItems:bool multipleOf:double enum:[any] maxProperties:int64 "
     "minProperties:int64 required:[string] items:any allOf:[JSONSchemaProps] "
     "oneOf:[JSONSchemaProps] anyOf:[JSONSchemaProps] not:JSONSchemaProps "
     "properties:{JSONSchemaProps} additionalProperties:any patternProperties:{JSONSchemaProps} "
     "dependencies:{any} additionalItems:any definitions:{JSONSchemaProps} "
     "externalDocs:ExternalDocumentation example:any nullable:bool "
     "x-kubernetes-preserve-unknown-fields:bool x-kubernetes-embedded-resource:bool "
     "x-kubernetes-int-or-string:bool x-kubernetes-list-map-keys:[string] "
     "x-kubernetes-list-type:string x-kubernetes-map-type:string "
     "x-kubernetes-validations:[ValidationRule]@rule|rule"},
    {"apiextensions.v1.SelectableField", "jsonPath:string!"},
    {"apiextensions.v1.ServiceReference", "namespace:string! name:string! path:string port:int32"},
    {"apiextensions.v1.ValidationRule",
     "rule:string! message:string messageExpression:string reason:string fieldPath:string "
     "optionalOldSelf:bool"},
    {"apiextensions.v1.WebhookClientConfig", "url:string service:ServiceReference caBundle:bytes"},
    {"apiextensions.v1.WebhookConversion",
     "clientConfig:WebhookClientConfig conversionReviewVersions:[string]!"},
    {"apps.v1.ControllerRevision",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta data:any! revision:int64"},
    {"apps.v1.DaemonSet",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:DaemonSetSpec "
     "status:DaemonSetStatus"},
    {"apps.v1.DaemonSetCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apps.v1.DaemonSetSpec",
     "selector:meta.v1.LabelSelector!# template:core.v1.PodTemplateSpec! "
     "updateStrategy:DaemonSetUpdateStrategy minReadySeconds:int32 revisionHistoryLimit:int32"},
    {"apps.v1.DaemonSetStatus",
     "currentNumberScheduled:int32! numberMisscheduled:int32! desiredNumberScheduled:int32! "
     "numberReady:int32! observedGeneration:int64 updatedNumberScheduled:int32 "
     "numberAvailable:int32 numberUnavailable:int32 collisionCount:int32 "
     "conditions:[DaemonSetCondition]@type|type"},
    {"apps.v1.DaemonSetUpdateStrategy", "type:string rollingUpdate:RollingUpdateDaemonSet"},
    {"apps.v1.Deployment",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:DeploymentSpec "
     "status:DeploymentStatus"},
    {"apps.v1.DeploymentCondition",
     "type:string status:string lastUpdateTime:time lastTransitionTime:time reason:string "
     "message:string"},
    {"apps.v1.DeploymentSpec",
     "replicas:int32 selector:meta.v1.LabelSelector!# template:core.v1.PodTemplateSpec! "
     "strategy:DeploymentStrategy^ minReadySeconds:int32 revisionHistoryLimit:int32 paused:bool "
     "progressDeadlineSeconds:int32"},
    {"apps.v1.DeploymentStatus",
     "observedGeneration:int64 replicas:int32 updatedReplicas:int32 readyReplicas:int32 "
     "availableReplicas:int32 unavailableReplicas:int32 terminatingReplicas:int32 "
     "conditions:[DeploymentCondition]@type|type collisionCount:int32"},
    {"apps.v1.DeploymentStrategy", "type:string rollingUpdate:RollingUpdateDeployment"},
    {"apps.v1.ReplicaSet",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:ReplicaSetSpec "
     "status:ReplicaSetStatus"},
    {"apps.v1.ReplicaSetCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apps.v1.ReplicaSetSpec",
     "replicas:int32 minReadySeconds:int32 selector:meta.v1.LabelSelector!# "
     "template:core.v1.PodTemplateSpec"},
    {"apps.v1.ReplicaSetStatus",
     "replicas:int32! fullyLabeledReplicas:int32 readyReplicas:int32 availableReplicas:int32 "
     "terminatingReplicas:int32 observedGeneration:int64 conditions:[ReplicaSetCondition]@type|type"},
    {"apps.v1.RollingUpdateDaemonSet", "maxUnavailable:intstr maxSurge:intstr"},
    {"apps.v1.RollingUpdateDeployment", "maxUnavailable:intstr maxSurge:intstr"},
    {"authentication.v1.BoundObjectReference",
     "kind:string apiVersion:string name:string uid:string"},
    {"authentication.v1.SelfSubjectReview",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta status:SelfSubjectReviewStatus"},
    {"authentication.v1.SelfSubjectReviewStatus", "userInfo:UserInfo"},
    {"authentication.v1.TokenRequest",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:TokenRequestSpec "
     "status:TokenRequestStatus"},
    {"authentication.v1.TokenRequestSpec",
     "audiences:[string] expirationSeconds:int64 boundObjectRef:BoundObjectReference "
     "attestations:{[string]}"},
    {"authentication.v1.TokenRequestStatus", "token:string expirationTimestamp:time"},
    {"authentication.v1.TokenReview",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:TokenReviewSpec! "
     "status:TokenReviewStatus"},
    {"authentication.v1.TokenReviewSpec", "token:string audiences:[string]"},
    {"authentication.v1.TokenReviewStatus",
     "authenticated:bool user:UserInfo audiences:[string] error:string"},
    {"authentication.v1.UserInfo", "username:string uid:string groups:[string] extra:{[string]}"},
    {"authorization.v1.FieldSelectorAttributes",
     "rawSelector:string requirements:[meta.v1.FieldSelectorRequirement]"},
    {"authorization.v1.LabelSelectorAttributes",
     "rawSelector:string requirements:[meta.v1.LabelSelectorRequirement]"},
    {"authorization.v1.LocalSubjectAccessReview",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:SubjectAccessReviewSpec! "
     "status:SubjectAccessReviewStatus"},
    {"authorization.v1.NonResourceAttributes", "path:string verb:string"},
    {"authorization.v1.NonResourceRule", "verbs:[string]! nonResourceURLs:[string]"},
    {"authorization.v1.ResourceAttributes",
     "namespace:string verb:string group:string version:string resource:string subresource:string "
     "name:string fieldSelector:FieldSelectorAttributes labelSelector:LabelSelectorAttributes"},
    {"authorization.v1.ResourceRule",
     "verbs:[string]! apiGroups:[string] resources:[string] resourceNames:[string]"},
    {"authorization.v1.SelfSubjectAccessReview",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:SelfSubjectAccessReviewSpec! "
     "status:SubjectAccessReviewStatus"},
    {"authorization.v1.SelfSubjectAccessReviewSpec",
     "resourceAttributes:ResourceAttributes nonResourceAttributes:NonResourceAttributes"},
    {"authorization.v1.SelfSubjectRulesReview",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:SelfSubjectRulesReviewSpec! "
     "status:SubjectRulesReviewStatus"},
    {"authorization.v1.SelfSubjectRulesReviewSpec", "namespace:string"},
    {"authorization.v1.SubjectAccessReview",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:SubjectAccessReviewSpec! "
     "status:SubjectAccessReviewStatus"},
    {"authorization.v1.SubjectAccessReviewSpec",
     "resourceAttributes:ResourceAttributes nonResourceAttributes:NonResourceAttributes user:string "
     "groups:[string] extra:{[string]} uid:string"},
    {"authorization.v1.SubjectAccessReviewStatus",
     "allowed:bool! denied:bool reason:string evaluationError:string"},
    {"authorization.v1.SubjectRulesReviewStatus",
     "resourceRules:[ResourceRule]! nonResourceRules:[NonResourceRule]! incomplete:bool! "
     "evaluationError:string"},
    {"certificates.v1.CertificateSigningRequest",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:CertificateSigningRequestSpec! "
     "status:CertificateSigningRequestStatus"},
    {"certificates.v1.CertificateSigningRequestCondition",
     "type:string! status:string! reason:string message:string lastUpdateTime:time "
     "lastTransitionTime:time"},
    {"certificates.v1.CertificateSigningRequestSpec",
     "request:bytes! signerName:string! expirationSeconds:int32 usages:[string] username:string "
     "uid:string groups:[string] extra:{[string]}"},
    {"certificates.v1.CertificateSigningRequestStatus",
     "conditions:[CertificateSigningRequestCondition]|type certificate:bytes"},
    {"coordination.v1.Lease",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:LeaseSpec"},
    {"coordination.v1.LeaseSpec",
     "holderIdentity:string leaseDurationSeconds:int32 acquireTime:microtime renewTime:microtime "
     "leaseTransitions:int32 strategy:string preferredHolder:string"},
    {"events.v1.Event",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta eventTime:microtime! "
     "series:EventSeries reportingController:string reportingInstance:string action:string "
     "reason:string regarding:core.v1.ObjectReference# related:core.v1.ObjectReference# note:string "
     "type:string deprecatedSource:core.v1.EventSource deprecatedFirstTimestamp:time "
     "deprecatedLastTimestamp:time deprecatedCount:int32"},
    {"events.v1.EventSeries", "count:int32! lastObservedTime:microtime!"},
    {"meta.v1.Condition",
     "type:string! status:string! observedGeneration:int64 lastTransitionTime:time! reason:string! "
     "message:string!"},
    {"meta.v1.DeleteOptions",
     "apiVersion:string kind:string gracePeriodSeconds:int64 preconditions:Preconditions "
     "orphanDependents:bool propagationPolicy:string dryRun:[string] "
     "ignoreStoreReadErrorWithClusterBreakingPotential:bool"},
    {"meta.v1.FieldSelectorRequirement", "key:string! operator:string! values:[string]"},
    {"meta.v1.LabelSelector", "matchLabels:{string} matchExpressions:[LabelSelectorRequirement]"},
    {"meta.v1.LabelSelectorRequirement", "key:string! operator:string! values:[string]"},
    {"meta.v1.ListMeta",
     "selfLink:string resourceVersion:string continue:string remainingItemCount:int64 "
     "shardInfo:ShardInfo"},
    {"meta.v1.ManagedFieldsEntry",
     "manager:string operation:string apiVersion:string time:time fieldsType:string fieldsV1:any "
     "subresource:string"},
    {"meta.v1.ObjectMeta",
     "name:string generateName:string namespace:string selfLink:string uid:string "
     "resourceVersion:string generation:int64 creationTimestamp:time deletionTimestamp:time "
     "deletionGracePeriodSeconds:int64 labels:{string} annotations:{string} "
     "ownerReferences:[OwnerReference]@uid|uid finalizers:[string]@% "
     "managedFields:[ManagedFieldsEntry]"},
    {"meta.v1.OwnerReference",
     "apiVersion:string! kind:string! name:string! uid:string! controller:bool "
     "blockOwnerDeletion:bool"},
    {"meta.v1.Preconditions", "uid:string resourceVersion:string"},
    {"meta.v1.ShardInfo", "selector:string!"},
    {"meta.v1.Status",
     "apiVersion:string kind:string metadata:ListMeta status:string message:string reason:string "
     "details:StatusDetails code:int32"},
    {"meta.v1.StatusCause", "reason:string message:string field:string"},
    {"meta.v1.StatusDetails",
     "name:string group:string kind:string uid:string causes:[StatusCause] retryAfterSeconds:int32"},
    {"policy.v1.Eviction",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta deleteOptions:meta.v1.DeleteOptions"},
    {"policy.v1.PodDisruptionBudget",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:PodDisruptionBudgetSpec "
     "status:PodDisruptionBudgetStatus"},
    {"policy.v1.PodDisruptionBudgetSpec",
     "minAvailable:intstr selector:meta.v1.LabelSelector=# maxUnavailable:intstr "
     "unhealthyPodEvictionPolicy:string"},
    {"policy.v1.PodDisruptionBudgetStatus",
     "observedGeneration:int64 disruptedPods:{time} disruptionsAllowed:int32 currentHealthy:int32 "
     "desiredHealthy:int32 expectedPods:int32 conditions:[meta.v1.Condition]@type|type"},
    {"rbac.v1.AggregationRule", "clusterRoleSelectors:[meta.v1.LabelSelector]"},
    {"rbac.v1.ClusterRole",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta rules:[PolicyRule] "
     "aggregationRule:AggregationRule"},
    {"rbac.v1.ClusterRoleBinding",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta subjects:[Subject] "
     "roleRef:RoleRef!#"},
    {"rbac.v1.PolicyRule",
     "verbs:[string]! apiGroups:[string] resources:[string] resourceNames:[string] "
     "nonResourceURLs:[string]"},
    {"rbac.v1.Role", "apiVersion:string kind:string metadata:meta.v1.ObjectMeta rules:[PolicyRule]"},
    {"rbac.v1.RoleBinding",
     "apiVersion:string kind:string metadata:meta.v1.ObjectMeta subjects:[Subject] "
     "roleRef:RoleRef!#"},
    {"rbac.v1.RoleRef", "apiGroup:string kind:string! name:string!"},
    {"rbac.v1.Subject", "kind:string! apiGroup:string name:string! namespace:string"},
};
/* clang-format on */
const size_t builtin_types_groups_n = ELEMENTS(builtin_types_groups);
