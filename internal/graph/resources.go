package graph

// Forms of values that several resources share.
const (
	formPassword = `{"customKeyIdentifier":"text?","displayName":"text?","endDateTime":"date?","hint":"text?","keyId":"text?","secretText":"text?","startDateTime":"date?"}`
	formKey      = `{"customKeyIdentifier":"text?","displayName":"text?","endDateTime":"date?","key":"any","keyId":"text?","startDateTime":"date?","type":"text?","usage":"text?"}`
	formAppRole  = `{"allowedMemberTypes":["text"],"description":"text?","displayName":"text?","id":"guid","isEnabled":"flag?","origin":"text?","value":"text?"}`
	formScope    = `{"adminConsentDescription":"text?","adminConsentDisplayName":"text?","id":"guid","isEnabled":"flag?","origin":"text?","type":"text?","userConsentDescription":"text?","userConsentDisplayName":"text?","value":"text?"}`
	formInfo     = `{"logoUrl":"text?","marketingUrl":"text?","privacyStatementUrl":"text?","supportUrl":"text?","termsOfServiceUrl":"text?"}`
	formVerified = `{"addedDateTime":"date?","displayName":"text?","verifiedPublisherId":"text?"}`
)

// The types of objects. What a client may write and no rule looks at is kept
// and shown as it was given.
var (
	users = shape("user", "users", `
		businessPhones      w ["text"]
		displayName         w "text?"
		givenName           w "text?"
		jobTitle            w "text?"
		mail                w "text?"
		mobilePhone         w "text?"
		officeLocation      w "text?"
		preferredLanguage   w "text?"
		surname             w "text?"
		userPrincipalName   w "text?"
		id                  r "text"
		accountEnabled      w- "flag"
		ageGroup            w- "text?"
		city                w- "text?"
		companyName         w- "text?"
		country             w- "text?"
		createdDateTime     r- "date?"
		creationType        r- "text?"
		deletedDateTime     r- "date?"
		department          w- "text?"
		employeeId          w- "text?"
		employeeType        w- "text?"
		faxNumber           w- "text?"
		mailNickname        w- "text?"
		onPremisesImmutableId w- "text?"
		onPremisesSyncEnabled r- "flag?"
		otherMails          w- ["text"]
		passwordPolicies    w- "text?"
		passwordProfile     w- {"forceChangePasswordNextSignIn":"flag?","forceChangePasswordNextSignInWithMfa":"flag?","password":"text?"}
		postalCode          w- "text?"
		proxyAddresses      r- ["text"]
		securityIdentifier  r- "text?"
		state               w- "text?"
		streetAddress       w- "text?"
		usageLocation       w- "text?"
		userType            w- "text?"`)

	groups = shape("group", "groups", `
		id                  r "text"
		deletedDateTime     r "date?"
		classification      w "text?"
		createdDateTime     r "date?"
		creationOptions     r ["text"]
		description         w "text?"
		displayName         w "text?"
		expirationDateTime  r "date?"
		groupTypes          c ["text"]
		isAssignableToRole  r "flag?"
		mail                r "text?"
		mailEnabled         c "flag"
		mailNickname        w "text?"
		membershipRule      r "text?"
		membershipRuleProcessingState r "text?"
		onPremisesSyncEnabled r "flag?"
		preferredDataLocation r "text?"
		preferredLanguage   w "text?"
		proxyAddresses      r ["text"]
		renewedDateTime     r "date?"
		resourceBehaviorOptions r ["text"]
		resourceProvisioningOptions r ["text"]
		securityEnabled     w "flag"
		securityIdentifier  r "text?"
		theme               w "text?"
		uniqueName          r "text?"
		visibility          w "text?"
		onPremisesProvisioningErrors r ["any"]
		serviceProvisioningErrors    r ["any"]`)

	applications = shape("application", "applications", `
		id                  r "text"
		deletedDateTime     r "date?"
		appId               r "text"
		applicationTemplateId r "text?"
		disabledByMicrosoftStatus r "text?"
		createdDateTime     r "date?"
		displayName         w "text?"
		description         w "text?"
		groupMembershipClaims w "text?"
		identifierUris      w ["text"]
		isDeviceOnlyAuthSupported w "flag?"
		isFallbackPublicClient w "flag?"
		nativeAuthenticationApisEnabled w "text?"
		notes               w "text?"
		publisherDomain     r "text?"
		serviceManagementReference w "text?"
		signInAudience      w "text?"
		tags                w ["text"]
		tokenEncryptionKeyId w "text?"
		uniqueName          r "text?"
		samlMetadataUrl     w "text?"
		defaultRedirectUri  w "text?"
		certification       r "any"
		optionalClaims      w "any"
		servicePrincipalLockConfiguration w "any"
		requestSignatureVerification w "any"
		addIns              w [{"id":"guid","properties":"any","type":"text?"}]
		api                 w {"acceptMappedClaims":"flag?","knownClientApplications":["text"],"oauth2PermissionScopes":[`+formScope+`],"preAuthorizedApplications":[{"appId":"text","delegatedPermissionIds":["text"]}],"requestedAccessTokenVersion":"int?"}
		appRoles            w [`+formAppRole+`]
		info                w `+formInfo+`
		keyCredentials      w [`+formKey+`]
		parentalControlSettings w {"countriesBlockedForMinors":["text"],"legalAgeGroupRule":"text?"}
		passwordCredentials w [`+formPassword+`]
		publicClient        w {"redirectUris":["text"]}
		requiredResourceAccess w [{"resourceAccess":[{"id":"guid","type":"text?"}],"resourceAppId":"text"}]
		verifiedPublisher   r `+formVerified+`
		web                 w {"homePageUrl":"text?","implicitGrantSettings":{"enableAccessTokenIssuance":"flag","enableIdTokenIssuance":"flag"},"logoutUrl":"text?","redirectUriSettings":[{"index":"int?","uri":"text?"}],"redirectUris":["text"]}
		spa                 w {"redirectUris":["text"]}`)

	servicePrincipals = shape("servicePrincipal", "servicePrincipals", `
		id                  r "text"
		deletedDateTime     r "date?"
		accountEnabled      w "flag"
		alternativeNames    w ["text"]
		appDisplayName      r "text?"
		appDescription      r "text?"
		appId               c "text"
		applicationTemplateId r "text?"
		appOwnerOrganizationId r "text?"
		appRoleAssignmentRequired w "flag"
		createdDateTime     r "date?"
		description         w "text?"
		disabledByMicrosoftStatus r "text?"
		displayName         w "text?"
		homepage            w "text?"
		loginUrl            w "text?"
		logoutUrl           w "text?"
		notes               w "text?"
		notificationEmailAddresses w ["text"]
		preferredSingleSignOnMode w "text?"
		preferredTokenSigningKeyThumbprint w "text?"
		replyUrls           w ["text"]
		servicePrincipalNames w ["text"]
		servicePrincipalType r "text"
		signInAudience      r "text?"
		tags                w ["text"]
		tokenEncryptionKeyId w "text?"
		samlSingleSignOnSettings w "any"
		addIns              w [{"id":"guid","properties":"any","type":"text?"}]
		appRoles            r [`+formAppRole+`]
		info                r `+formInfo+`
		keyCredentials      w [`+formKey+`]
		oauth2PermissionScopes r [`+formScope+`]
		passwordCredentials w [`+formPassword+`]
		resourceSpecificApplicationPermissions r ["any"]
		verifiedPublisher   r `+formVerified)

	directoryRoles = shape("directoryRole", "directoryRoles", `
		id                  r "text"
		deletedDateTime     r "date?"
		description         r "text?"
		displayName         r "text?"
		roleTemplateId      r "text"`)

	roleTemplates = shape("directoryRoleTemplate", "directoryRoleTemplates", `
		id                  r "text"
		deletedDateTime     r "date?"
		description         r "text?"
		displayName         r "text?"`)

	roleDefinitions = shape("unifiedRoleDefinition", "roleManagement/directory/roleDefinitions", `
		id                  r "text"
		description         r "text?"
		displayName         r "text?"
		isBuiltIn           r "flag"
		isEnabled           r "flag"
		resourceScopes      r ["text"]
		rolePermissions     r ["any"]
		templateId          r "text"
		version             r "text?"`)

	roleAssignments = shape("unifiedRoleAssignment", "roleManagement/directory/roleAssignments", `
		id                  r "text"
		principalId         c "text"
		directoryScopeId    c "text?"
		roleDefinitionId    c "text"`)

	appRoleAssignments = shape("appRoleAssignment", "appRoleAssignments", `
		id                  r "text"
		deletedDateTime     r "date?"
		appRoleId           c "text"
		createdDateTime     r "date?"
		principalDisplayName r "text?"
		principalId         c "text"
		principalType       r "text?"
		resourceDisplayName r "text?"
		resourceId          c "text"`)

	permissionGrants = shape("oAuth2PermissionGrant", "oauth2PermissionGrants", `
		clientId            c "text"
		consentType         c "text"
		id                  r "text"
		principalId         c "text?"
		resourceId          c "text"
		scope               w "text?"
		startTime           c- "any"
		expiryTime          c- "any"`)

	organizations = shape("organization", "organization", `
		id                  r "text"
		deletedDateTime     r "date?"
		businessPhones      r ["text"]
		city                r "text?"
		country             r "text?"
		countryLetterCode   r "text?"
		createdDateTime     r "date?"
		displayName         r "text?"
		tenantType          r "text?"
		assignedPlans       r ["any"]
		provisionedPlans    r ["any"]
		verifiedDomains     r ["any"]`)

	domains = shape("domain", "domains", `
		authenticationType  r "text?"
		availabilityStatus  r "text?"
		id                  r "text"
		isAdminManaged      r "flag"
		isDefault           r "flag"
		isInitial           r "flag"
		isRoot              r "flag"
		isVerified          r "flag"
		supportedServices   r ["text"]`)
)
