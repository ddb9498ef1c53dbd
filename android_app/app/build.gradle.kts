// The app. Not run where it was written; see settings.gradle.kts.
plugins {
    alias(libs.plugins.android.application)
}

// tools/compile_app.sh reads application id and versions here, API levels in libs.versions.toml.
android {
    namespace = "app.likeness"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "app.likeness"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1"
    }

    // The app asks for the sizes of the bundle's files, which Android knows of what is not compressed.
    androidResources {
        noCompress += listOf("json", "pte", "safetensors", "txt")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

// The model: `make export` puts it into out/bundle.
abstract class BundleAssets : DefaultTask() {
    @get:InputDirectory
    abstract val bundle: DirectoryProperty

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @get:Inject
    abstract val files: FileSystemOperations

    @TaskAction
    fun copy() {
        files.sync {
            from(bundle)
            into(assets.dir("bundle"))
        }
    }
}

androidComponents {
    onVariants { variant ->
        val task = tasks.register<BundleAssets>("${variant.name}BundleAssets") {
            bundle = rootProject.layout.projectDirectory.dir("../out/bundle")
        }
        variant.sources.assets?.addGeneratedSourceDirectory(task, BundleAssets::assets)
    }
}

dependencies {
    implementation(project(":runtime"))
    // Its tests need no phone: android_app/tools/test_app.sh runs them.
}
