// Gradle 9.5 or later, run by Java 17 or later: what this version of the Android plugin asks for.
buildscript {
    repositories {
        google()
        mavenCentral()
    }
    dependencies {
        // The Android plugin compiles Kotlin itself, with an older compiler where no other is on its class path.
        classpath(libs.kotlin.gradle)
    }
}

plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.android.library) apply false
}
