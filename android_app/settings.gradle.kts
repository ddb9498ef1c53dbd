// Android Studio opens this folder. README.md says what must be there first; none of these Gradle files was run where
// they were written (no Gradle, SDK or NDK was to be had): android_app/tools/ builds and tests without them.
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "likeness"
include(":runtime", ":app")
